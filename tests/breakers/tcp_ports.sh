#!/bin/sh
# One high port passes the firewall, on IPv6 only, with nothing behind it, and a declared one is shut there.
# breaks only_declared_ports_answer: 48123/tcp
# breaks declared_ports_answer: 22/tcp (ssh) is silent
# round outside: looked at from there
set -eu
nft insert rule inet holdfast input meta nfproto ipv6 tcp dport 48123 accept
nft insert rule inet holdfast input meta nfproto ipv6 tcp dport 22 drop
