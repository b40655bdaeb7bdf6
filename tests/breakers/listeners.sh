#!/bin/sh
# A program waits for connections, behind the firewall.
# breaks listeners_are_declared: port 8099/tcp
set -eu
systemd-run --quiet --unit=foreign-door python3 -m http.server 8099
i=0
while ! ss -Hltn 'sport = :8099' | grep -q .; do
	i=$((i + 1))
	[ "$i" -lt 50 ]
	sleep 0.1
done
