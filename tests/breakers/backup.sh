#!/bin/sh
# The last backup that went well is a month old, it held nothing of what is declared, and no timer starts the next.
# breaks recent: hours ago; run playbooks/backup.yml
# breaks whole: not in the last backup: /etc/ssh
# breaks by_itself: holdfast-backup.timer is disabled
set -eu
date -u -d '1 month ago' +'{"time": "%Y-%m-%dT%H:%M:%SZ", "sources": []}' > /var/lib/holdfast/backup/last.json
systemctl disable --quiet --now holdfast-backup.timer
