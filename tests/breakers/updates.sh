#!/bin/sh
# A file that apt reads after all others takes the security updates out again.
set -eu
echo '#clear Unattended-Upgrade::Origins-Pattern;' > /etc/apt/apt.conf
