#!/bin/sh
# One high port passes the firewall, on IPv6 only, with nothing behind it.
set -eu
nft insert rule inet holdfast input meta nfproto ipv6 tcp dport 48123 accept
