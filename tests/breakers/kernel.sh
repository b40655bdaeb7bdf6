#!/bin/sh
# A file that comes last takes a setting back, and a protocol that nobody uses may be loaded again.
# breaks settings_at_boot: kernel.dmesg_restrict will be 0
# breaks unused_modules: sctp may be loaded
set -eu
echo 'kernel.dmesg_restrict = 0' > /etc/sysctl.d/99-foreign.conf
sed -i '/^install sctp /d' /etc/modprobe.d/*.conf
