#!/bin/sh
# The backup program gets to see root's home, as root.
# breaks root: it sees /root, which nobody declared
# breaks account: it runs as root
set -eu
mkdir -p /etc/systemd/system/holdfast-backup.service.d
printf '[Service]\nBindReadOnlyPaths=/root\nUser=root\n' > /etc/systemd/system/holdfast-backup.service.d/more.conf
systemctl daemon-reload
