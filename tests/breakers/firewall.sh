#!/bin/sh
# A rule lets a whole neighbouring network in, and what no rule accepts is passed on.
# breaks rules_are_declared: 10.99.0.0
# breaks forwarding_is_closed: nothing drops what would be passed on over IPv4 and IPv6
set -eu
nft insert rule inet holdfast input ip saddr 10.99.0.0/16 accept
nft chain inet holdfast forward '{ policy accept; }'
