#!/bin/sh
# One of the host's keys is another than the pinned one, and the host goes by another name.
# breaks every_offered_key_is_pinned: the RSA key
# breaks name: it calls itself foreign
set -eu
path=$(sshd -T | sed -n 's/^hostkey //p' | grep rsa | head -n 1)
rm -f "$path" "$path.pub"
ssh-keygen -q -t rsa -b 4096 -N '' -f "$path"
systemctl reload ssh
echo '127.0.1.1 foreign' >> /etc/hosts
hostname foreign
