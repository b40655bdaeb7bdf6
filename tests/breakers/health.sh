#!/bin/sh
# A unit of the host fails, and the host sees it.
set -eu
systemd-run --quiet --wait --unit=doomed false || true
systemctl start holdfast-health.service || true
