#!/bin/sh
# A key waits for root in a place that only a Match block names, a program has keys for one account, and another account
# owns the file of its keys.
# breaks every_key_is_declared: /etc/ssh/more_keys line 1
# breaks no_other_source: authorizedkeyscommand is /bin/false for games from
# breaks only_root_can_add_a_key: /etc/ssh/authorized_keys.d/ci-blog can be written by others
set -eu
ssh-keygen -q -t ed25519 -N '' -f /var/lib/foreign
cp /var/lib/foreign.pub /etc/ssh/more_keys
printf 'Match User root\n\tAuthorizedKeysFile /etc/ssh/more_keys\n' >> /etc/ssh/sshd_config
printf 'Match User games\n\tAuthorizedKeysCommand /bin/false\n\tAuthorizedKeysCommandUser nobody\n' >> /etc/ssh/sshd_config
chown ci-blog /etc/ssh/authorized_keys.d/ci-blog
sshd -t
systemctl reload ssh
