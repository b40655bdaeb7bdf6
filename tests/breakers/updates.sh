#!/bin/sh
# A file that apt reads after all others takes the security updates out again; the last that went well are months old,
# and nothing looks whether they arrive.
# breaks what_apt_would_do: are not installed
# breaks timers: holdfast-updates-check.timer is disabled
# breaks success_and_failure: days ago; allowed are
# breaks success_and_failure: holdfast-updates-check.service has failed
set -eu
echo '#clear Unattended-Upgrade::Origins-Pattern;' > /etc/apt/apt.conf
systemctl disable --quiet --now holdfast-updates-check.timer
touch --date='3 months ago' /var/lib/apt/periodic/upgrade-stamp
systemctl start holdfast-updates-check.service || true
