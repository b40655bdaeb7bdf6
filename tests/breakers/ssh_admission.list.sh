#!/bin/sh
# sshd has no list of whom it admits.
# breaks allow_list_is_closed: no allow-list for
# round open: without a list nobody can be told to be on it
set -eu
sed -i '/^AllowGroups/d' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf
sshd -t
systemctl reload ssh
