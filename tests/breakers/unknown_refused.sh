#!/bin/sh
# The usual account of a provider's image is there, with any key.
# breaks undeclared_account_is_refused: debian entered over
# round outside: among those that let others in it would not be the account that is tried
set -eu
group=$(sshd -T | sed -n 's/^allowgroups //p' | head -n 1 | cut -d " " -f 1)
printf '#!/bin/sh\necho "$1 $2"\n' > /usr/sbin/any-key
chmod 0755 /usr/sbin/any-key
{
	echo "Match User debian"
	echo "AuthorizedKeysCommand /usr/sbin/any-key %t %k"
	echo "AuthorizedKeysCommandUser nobody"
} > '/etc/ssh/sshd_config.d/!unknown.conf'
useradd --create-home --shell /bin/bash --groups "$group" debian
usermod --password '*' debian
sshd -t
systemctl reload ssh
