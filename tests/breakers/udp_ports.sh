#!/bin/sh
# One UDP port passes the firewall, and a declared one does not.
# breaks undeclared_are_silent: 161/udp
# breaks declared_are_reachable: 8002/udp (service blog) is silent
# round outside: looked at from there
set -eu
nft insert rule inet holdfast input udp dport 161 accept
nft insert rule inet holdfast input udp dport 8002 drop
