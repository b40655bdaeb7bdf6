#!/bin/sh
# A drop-in that comes first brings back an old algorithm.
set -eu
echo 'MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha1' > /etc/ssh/sshd_config.d/!foreign.conf
sshd -t
systemctl reload ssh
