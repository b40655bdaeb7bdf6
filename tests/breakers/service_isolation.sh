#!/bin/sh
# The state of a service is open to everybody, and its account to who would log in.
# breaks accounts_are_locked: notes has the shell /bin/bash
# breaks places_have_their_modes: /srv/notes/shared:
# breaks nobody_reads_anothers: nobody reads /srv/notes/shared of notes
set -eu
chmod 0755 /srv/notes /srv/notes/shared
usermod --shell /bin/bash notes
