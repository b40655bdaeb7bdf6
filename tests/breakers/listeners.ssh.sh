#!/bin/sh
# sshd waits at another port than the declared one, to which somebody's rule leads what comes to that.
# breaks ssh_listens: nothing of sshd listens on port 22
# round open: it is another way in for the verification as well
set -eu
nft insert rule inet holdfast input tcp dport 2222 accept
nft add table inet foreign
nft add chain inet foreign prerouting '{ type nat hook prerouting priority dstnat; }'
nft add rule inet foreign prerouting tcp dport 22 redirect to :2222
sed -i '/^ListenAddress/s/:22$/:2222/' /etc/ssh/sshd_config.d/*.conf
sshd -t
systemctl restart ssh
