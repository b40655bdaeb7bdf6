#!/bin/sh
# A declared part does not run.
set -eu
systemctl stop 'notes-web@*.service'
