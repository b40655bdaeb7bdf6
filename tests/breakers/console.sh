#!/bin/sh
# The console account's password is locked, and SSH admits it.
# breaks console_door: has no usable password
# breaks console_account_is_not_for_ssh: SSH admits
set -eu
group=$(sshd -T | sed -n 's/^allowgroups //p' | head -n 1 | cut -d ' ' -f 1)
for name in $(awk -F: '$2 ~ /^\$/ { print $1 }' /etc/shadow); do
	[ -e "/etc/ssh/authorized_keys.d/$name" ] || usermod --lock --append --groups "$group" "$name"
done
