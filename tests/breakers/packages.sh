#!/bin/sh
# A package that nobody declared, and a unit that starts by itself.
# breaks packages_are_declared: foreign: purge it
# breaks units_are_declared: foreign.service
set -eu
mkdir -p /tmp/foreign/DEBIAN
printf 'Package: foreign\nVersion: 1\nArchitecture: all\nMaintainer: nobody <root@localhost>\nDescription: nothing\n' \
	> /tmp/foreign/DEBIAN/control
dpkg-deb --build --root-owner-group /tmp/foreign /tmp/foreign.deb > /dev/null
dpkg -i /tmp/foreign.deb > /dev/null
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/foreign.service
systemctl enable --quiet foreign.service
