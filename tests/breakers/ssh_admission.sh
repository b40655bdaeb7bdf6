#!/bin/sh
# A service account joins the group that SSH admits.
# breaks only_declared_are_admitted: helper from
set -eu
group=$(sshd -T | sed -n 's/^allowgroups //p' | head -n 1 | cut -d ' ' -f 1)
useradd --system --shell /bin/bash --groups "$group" helper
