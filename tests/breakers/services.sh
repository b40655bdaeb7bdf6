#!/bin/sh
# A declared part does not run, nor does the timer of a schedule.
# breaks parts_run: .service is inactive
# breaks schedules: .timer is inactive
set -eu
systemctl stop 'notes-web@*.service' 'notes-tick@*.timer'
