#!/bin/sh
# A program takes every key for a good one.
set -eu
printf '#!/bin/sh\necho "$1 $2"\n' > /usr/sbin/any-key
chmod 0755 /usr/sbin/any-key
{
	echo "AuthorizedKeysCommand /usr/sbin/any-key %t %k"
	echo "AuthorizedKeysCommandUser nobody"
} > /etc/ssh/sshd_config.d/!foreign.conf
sshd -t
systemctl reload ssh
