#!/bin/sh
# A foreign Match block lets passwords in, from one network only.
set -eu
printf 'Match Address 10.99.0.0/16\n\tPasswordAuthentication yes\n' >> /etc/ssh/sshd_config
sshd -t
systemctl reload ssh
