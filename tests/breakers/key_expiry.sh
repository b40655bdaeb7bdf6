#!/bin/sh
# One key loses its last day, and one account.
# breaks keys_carry_their_last_day: has no last day
# breaks accounts_carry_their_last_day: bob's account never expires
set -eu
usermod --expiredate '' bob
for file in /etc/ssh/authorized_keys.d/*; do
	sed -i 's/expiry-time="[^"]*",\{0,1\}//' "$file"
	exit 0
done
exit 1
