#!/bin/sh
# A program takes every key for a good one.
# breaks stranger_with_a_known_name: a stranger as
# round refused: each of these lets one in whom the others do not
set -eu
printf '#!/bin/sh\necho "$1 $2"\n' > /usr/sbin/any-key
chmod 0755 /usr/sbin/any-key
{
	echo "AuthorizedKeysCommand /usr/sbin/any-key %t %k"
	echo "AuthorizedKeysCommandUser nobody"
} > '/etc/ssh/sshd_config.d/!stranger.conf'
sshd -t
systemctl reload ssh
