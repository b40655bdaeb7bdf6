#!/bin/sh
# A drop-in that comes first asks for passwords.
set -eu
printf 'PasswordAuthentication yes\nAuthenticationMethods any\n' > /etc/ssh/sshd_config.d/!foreign.conf
sshd -t
systemctl reload ssh
