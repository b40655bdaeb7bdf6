#!/bin/sh
# A service account joins the group that SSH admits.
set -eu
group=$(sshd -T | sed -n 's/^allowgroups //p' | head -n 1 | cut -d ' ' -f 1)
useradd --system --shell /bin/bash --groups "$group" helper
