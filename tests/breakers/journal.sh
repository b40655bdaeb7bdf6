#!/bin/sh
# A drop-in that comes last keeps the journal in memory, and lets it fill what it likes.
# breaks journal_is_persistent: Storage=volatile
# breaks journal_is_bounded: SystemMaxUse is 100G
set -eu
printf '[Journal]\nStorage=volatile\nSystemMaxUse=100G\n' > /etc/systemd/journald.conf.d/99-foreign.conf
