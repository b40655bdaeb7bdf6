"""The `backup_invitation` filter: the line by which the server of the backups lets one host in."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

KEY = re.compile(r"ssh-ed25519 ([A-Za-z0-9+/]{68})( [^\n]*)?\n?")
BEGINNING = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"


def blob_of(told: str) -> str:
    """Return the public key that a host has told, as base64, without what else is in the line.

    Raises ValueError: it is no such key.
    """
    found = KEY.fullmatch(told)
    try:
        if found and base64.b64decode(found[1], validate=True).startswith(BEGINNING):
            return found[1]
    except binascii.Error:
        pass
    raise ValueError("what the host tells as its public key is something else, and cannot be trusted")


def backup_invitation(told: str, server: Any, host: str) -> str:
    """Return what the server's owner has to do for `host`, whose program has told its public key.

    server: {name, user}, as the filter backup_repository gives it.
    """
    return (
        f"If {server['name']} does not know {host} yet, add this line to the authorized_keys of {server['user']} "
        f'there, and run playbooks/backup.yml:\nrestrict,command="internal-sftp" ssh-ed25519 {blob_of(str(told))} '
        f"holdfast-backup@{host}"
    )


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"backup_invitation": backup_invitation}
