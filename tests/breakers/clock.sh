#!/bin/sh
# The time service does not start any more.
# breaks time_service_starts: no time service is enabled
set -eu
systemctl disable --quiet --now systemd-timesyncd.service
