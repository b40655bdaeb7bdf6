#!/bin/sh
# A unit of the host fails, and the host sees it; then it looks no more.
# breaks nothing_fails: doomed
# breaks looks: holdfast-health.timer is disabled
set -eu
systemd-run --quiet --wait --unit=doomed false || true
systemctl start holdfast-health.service || true
systemctl disable --quiet --now holdfast-health.timer
