#!/bin/sh
# A service account may run one program as root without a password.
set -eu
echo 'www-data ALL=(root) NOPASSWD: /usr/bin/less' > /etc/sudoers.d/zz-foreign
chmod 0440 /etc/sudoers.d/zz-foreign
