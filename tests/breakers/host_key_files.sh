#!/bin/sh
# A host key of a type that is not wanted is offered as well, and a short group for the key exchange.
# breaks types_and_modes: /etc/ssh/ssh_host_foreign_key is of type ECDSA
# breaks moduli: the shortest group has 1024 bits
set -eu
rm -f /etc/ssh/ssh_host_foreign_key
ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_foreign_key
echo 'HostKey /etc/ssh/ssh_host_foreign_key' > '/etc/ssh/sshd_config.d/!host_key.conf'
echo '20240101000000 2 6 100 1023 2 F' >> "$(sshd -T | sed -n 's/^modulifile //p')"
sshd -t
systemctl reload ssh
