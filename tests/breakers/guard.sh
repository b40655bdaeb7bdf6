#!/bin/sh
# The guard no longer looks at each start, and a change waits for it.
# breaks nothing_is_waiting: a change is in force that nobody has confirmed
# breaks boot_unit: holdfast-guard.service is disabled
set -eu
systemctl disable --quiet holdfast-guard.service
echo '{}' > /var/lib/holdfast/guard/armed.json
