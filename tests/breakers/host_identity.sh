#!/bin/sh
# One of the host's keys is another than the pinned one.
set -eu
path=$(sshd -T | sed -n 's/^hostkey //p' | grep rsa | head -n 1)
rm -f "$path" "$path.pub"
ssh-keygen -q -t rsa -b 4096 -N '' -f "$path"
systemctl reload ssh
