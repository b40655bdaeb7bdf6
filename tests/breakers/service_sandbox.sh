#!/bin/sh
# Somebody took the sandbox off, for a test.
set -eu
mkdir -p /etc/systemd/system/notes-web@.service.d
printf '[Service]\nProtectSystem=no\nPrivateUsers=no\nCapabilityBoundingSet=~\nSystemCallFilter=\nMemoryMax=infinity\n' \
	>/etc/systemd/system/notes-web@.service.d/test.conf
systemctl daemon-reload
systemctl restart 'notes-web@*.service'
