#!/bin/sh
# Nothing counts connections any more.
# breaks knocking_is_throttled: were heard
# breaks the_firewall_counts: no knock was dropped
# breaks sshd_counts on trixie: sshd turned no knock away
# round alone: what the host holds against the address that knocks would be felt by every other
set -eu
nft insert rule inet holdfast input tcp dport 22 accept
# Taken out rather than overridden: of these the last line counts, not the first.
sed -i '/^\(MaxStartups\|PerSourceMaxStartups\|PerSourcePenalties\)/d' /etc/ssh/sshd_config.d/*.conf
echo 'MaxStartups 1000' > '/etc/ssh/sshd_config.d/!foreign.conf'
if sshd -T | grep -q '^persourcepenalties'; then
	echo 'PerSourcePenalties no' >> '/etc/ssh/sshd_config.d/!foreign.conf'
fi
sshd -t
systemctl reload ssh
