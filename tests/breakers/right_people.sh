#!/bin/sh
# Shut the door of one declared person who is not the operator, and take the keys of another.
# breaks accounts_exist: account has expired
# breaks keys_are_there: bob: SHA256:
set -eu
: > /etc/ssh/authorized_keys.d/bob
for file in /etc/ssh/authorized_keys.d/*; do
	name=${file##*/}
	if [ "$name" != "${OPERATOR:-oper}" ]; then
		usermod --expiredate 1 "$name"
		exit 0
	fi
done
exit 1
