#!/bin/sh
# A declared part ends again and again.
# breaks no_loop_and_no_kill: was started again
# round open: in the other one it does not run at all
set -eu
unit=$(systemctl list-units --plain --no-legend 'notes-web@*.service' | cut -d ' ' -f 1)
i=0
while [ "$(systemctl show -P NRestarts "$unit")" -lt 3 ]; do
	systemctl kill --signal=KILL "$unit" 2> /dev/null || true
	i=$((i + 1))
	[ "$i" -lt 100 ]
	sleep 0.5
done
