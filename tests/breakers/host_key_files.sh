#!/bin/sh
# A host key of a type that is not wanted is offered as well.
set -eu
rm -f /etc/ssh/ssh_host_foreign_key
ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_foreign_key
echo 'HostKey /etc/ssh/ssh_host_foreign_key' > /etc/ssh/sshd_config.d/!foreign.conf
sshd -t
systemctl reload ssh
