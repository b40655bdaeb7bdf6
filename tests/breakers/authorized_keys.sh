#!/bin/sh
# A key waits for root in a place that only a Match block names.
set -eu
ssh-keygen -q -t ed25519 -N '' -f /var/lib/foreign
cp /var/lib/foreign.pub /etc/ssh/more_keys
printf 'Match User root\n\tAuthorizedKeysFile /etc/ssh/more_keys\n' >> /etc/ssh/sshd_config
sshd -t
systemctl reload ssh
