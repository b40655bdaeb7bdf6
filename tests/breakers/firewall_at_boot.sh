#!/bin/sh
# The firewall's unit is not started at boot any more.
set -eu
systemctl disable --quiet holdfast-firewall.service
