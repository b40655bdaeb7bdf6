#!/bin/sh
# Somebody gives the job another environment, and means to add to it.
set -eu
mkdir -p /etc/systemd/system/apt-daily-upgrade.service.d
printf '[Service]\nEnvironment=\nEnvironment=http_proxy=http://192.0.2.1:3128\n' \
	>/etc/systemd/system/apt-daily-upgrade.service.d/proxy.conf
systemctl daemon-reload
