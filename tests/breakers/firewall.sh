#!/bin/sh
# A rule lets a whole neighbouring network in.
set -eu
nft insert rule inet holdfast input ip saddr 10.99.0.0/16 accept
