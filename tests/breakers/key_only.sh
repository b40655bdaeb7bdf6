#!/bin/sh
# A foreign Match block lets passwords in, and root, from one network only.
# breaks only_keys: passwordauthentication is yes for
# breaks no_foreign_exception: permitrootlogin is yes for
set -eu
printf 'Match Address 10.99.0.0/16\n\tPasswordAuthentication yes\n\tPermitRootLogin yes\n' >> /etc/ssh/sshd_config
sshd -t
systemctl reload ssh
