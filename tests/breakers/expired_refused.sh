#!/bin/sh
# The account of somebody whose time is over is opened again.
# breaks expired_person_is_refused: expired entered over
# round refused: each of these lets one in whom the others do not
set -eu
group=$(sshd -T | sed -n 's/^allowgroups //p' | head -n 1 | cut -d " " -f 1)
printf '#!/bin/sh\necho "$1 $2"\n' > /usr/sbin/any-key
chmod 0755 /usr/sbin/any-key
{
	echo "AuthorizedKeysCommand /usr/sbin/any-key %t %k"
	echo "AuthorizedKeysCommandUser nobody"
} > '/etc/ssh/sshd_config.d/!expired.conf'
id -u expired > /dev/null 2>&1 || useradd --create-home --shell /bin/bash expired
usermod --password '*' --expiredate '' --shell /bin/bash --append --groups "$group" expired
sshd -t
systemctl reload ssh
