#!/bin/sh
# The last backup that went well is a month old.
set -eu
date -u -d '1 month ago' +'{"time": "%Y-%m-%dT%H:%M:%SZ", "sources": ["/etc/ssh"]}' > /var/lib/holdfast/backup/last.json
