"""Where things of the backups lie on the host."""

from __future__ import annotations

import os

FOLDER = "/etc/holdfast/backup"
SECRETS = "/etc/holdfast/secrets/holdfast-backup"
STATE = "/var/lib/holdfast/backup"
CACHE = "/var/cache/holdfast-backup"
LOCK = "/run/holdfast/locks/backup"
HELD = "/run/holdfast/backup"  # what is backed up, as the sandbox is to see it, under names of `holding.place_of`
REFUSED = f"{HELD}/refused.json"  # and what of it is not there, with the reason


def secrets() -> str:
    """Where the secrets lie: handed over by systemd, or for root alone."""
    return os.environ.get("CREDENTIALS_DIRECTORY", SECRETS)
