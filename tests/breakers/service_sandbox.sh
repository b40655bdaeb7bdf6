#!/bin/sh
# Somebody took the sandbox off, and its bounds, for a test.
# breaks exposure: notes-web@
# breaks bounds: no bound on memory
# breaks bounds: no bound on processes
# breaks bounds: no bound on processor time
set -eu
mkdir -p /etc/systemd/system/notes-web@.service.d
{
	printf '[Service]\nProtectSystem=no\nPrivateUsers=no\nCapabilityBoundingSet=~\nSystemCallFilter=\n'
	printf 'MemoryMax=infinity\nTasksMax=infinity\nCPUQuota=\n'
} > /etc/systemd/system/notes-web@.service.d/test.conf
systemctl daemon-reload
systemctl restart 'notes-web@*.service'
