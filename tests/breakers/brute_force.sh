#!/bin/sh
# Nothing counts connections any more.
set -eu
nft insert rule inet holdfast input tcp dport 22 accept
printf 'MaxStartups 1000\n' > /etc/ssh/sshd_config.d/!foreign.conf
if sshd -T | grep -q '^persourcepenalties'; then
	echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config.d/!foreign.conf
fi
sshd -t
systemctl reload ssh
