#!/bin/sh
# One key loses its last day.
set -eu
for file in /etc/ssh/authorized_keys.d/*; do
	sed -i 's/expiry-time="[^"]*",\{0,1\}//' "$file"
	exit 0
done
exit 1
