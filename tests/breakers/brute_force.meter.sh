#!/bin/sh
# The firewall counts no connections any more; where sshd can, it still throttles alone.
# breaks the_firewall_counts: no knock was dropped
# keeps knocking_is_throttled on trixie
# keeps sshd_counts on trixie
# round alone: what the host holds against the address that knocks would be felt by every other
set -eu
nft insert rule inet holdfast input tcp dport 22 accept
