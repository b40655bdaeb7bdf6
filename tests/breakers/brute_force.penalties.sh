#!/bin/sh
# sshd holds nothing against anybody any more; the firewall still throttles alone.
# breaks sshd_counts on trixie: sshd turned no knock away
# keeps the_firewall_counts
# keeps knocking_is_throttled
# round alone: what the host holds against the address that knocks would be felt by every other
set -eu
if sshd -T | grep -q '^persourcepenalties'; then
	sed -i 's/^PerSourcePenalties .*/PerSourcePenalties no/' /etc/ssh/sshd_config.d/*.conf
	sshd -T | grep -qx 'persourcepenalties no'
	systemctl reload ssh
fi
