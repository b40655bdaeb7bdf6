#!/bin/sh
# root may log in, with any key.
# breaks root_is_refused: root entered over
# round refused: each of these lets one in whom the others do not
set -eu
printf '#!/bin/sh\necho "$1 $2"\n' > /usr/sbin/any-key
chmod 0755 /usr/sbin/any-key
{
	echo "AuthorizedKeysCommand /usr/sbin/any-key %t %k"
	echo "AuthorizedKeysCommandUser nobody"
} > '/etc/ssh/sshd_config.d/!root.conf'
printf 'PermitRootLogin yes\nAllowGroups root\n' >> '/etc/ssh/sshd_config.d/!root.conf'
usermod --password '*' --expiredate '' root
sshd -t
systemctl reload ssh
