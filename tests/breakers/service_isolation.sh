#!/bin/sh
# The state of a service is open to everybody.
set -eu
chmod 0755 /srv/notes /srv/notes/shared
