#!/bin/sh
# A drop-in that comes first allows TCP forwarding for one account.
# breaks forwarding_as_granted: allowtcpforwarding is yes for www-data
set -eu
printf 'Match User www-data\n\tDisableForwarding no\n\tAllowTcpForwarding yes\n' > '/etc/ssh/sshd_config.d/!forwarding.conf'
sshd -t
systemctl reload ssh
