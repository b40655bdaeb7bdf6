#!/bin/sh
# A file that comes last takes a setting back.
set -eu
echo 'kernel.dmesg_restrict = 0' > /etc/sysctl.d/99-foreign.conf
