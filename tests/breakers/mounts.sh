#!/bin/sh
# The options of /tmp and /dev/shm are set no more from the next start on.
# breaks options_at_boot: holdfast-mounts.service is disabled
set -eu
systemctl disable --quiet holdfast-mounts.service
