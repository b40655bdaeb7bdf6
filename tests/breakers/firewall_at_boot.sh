#!/bin/sh
# The firewall's unit is not started at boot any more, and the distribution's own may be.
# breaks before_the_network: holdfast-firewall.service is disabled
# breaks nobody_flushes: stopping or starting it flushes every rule
set -eu
systemctl disable --quiet holdfast-firewall.service
systemctl unmask --quiet nftables.service
