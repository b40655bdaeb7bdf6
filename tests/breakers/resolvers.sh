#!/bin/sh
# Somebody puts a resolver of his own before the declared ones, which nothing reaches any more.
# breaks declared_are_asked: names 192.0.2.99, 192.0.2.53 instead of 192.0.2.53
# breaks they_answer: 192.0.2.53:
# round alone: a host that was given resolvers is another one
set -eu
sed -i '1i nameserver 192.0.2.99' /etc/resolv.conf
nft insert rule inet holdfast output udp dport 53 drop
