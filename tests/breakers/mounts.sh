#!/bin/sh
# The options of /tmp and /dev/shm are set no more from the next start on.
set -eu
systemctl disable --quiet holdfast-mounts.service
