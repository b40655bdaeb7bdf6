#!/bin/sh
# A drop-in that comes first brings back an old algorithm.
# breaks no_failure_and_no_warning: hmac-sha1: fail
# breaks hardened_policy: hmac-sha1, wanted
# round outside: looked at from there
set -eu
echo 'MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha1' > '/etc/ssh/sshd_config.d/!algorithms.conf'
sshd -t
systemctl reload ssh
