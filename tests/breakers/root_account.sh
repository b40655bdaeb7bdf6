#!/bin/sh
# A second account has root's number, without any password, and root gets one.
# breaks only_root_is_root: toor has user number 0
# breaks root_has_no_password: root has a usable password
set -eu
useradd --non-unique --uid 0 --gid 65534 --no-create-home --shell /usr/sbin/nologin toor
echo 'root:a password that nobody declared' | chpasswd
