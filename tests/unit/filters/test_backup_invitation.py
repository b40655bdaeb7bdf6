"""The line for the backup server is the controller's, whatever the host tells."""

from __future__ import annotations

import pytest

from tests.unit.filters.support import FILTERS, ed25519, rsa

SERVER = {"name": "203.0.113.50", "user": "depot", "port": 22}


@pytest.mark.parametrize("told", [ed25519(1), f"{ed25519(1)} holdfast-backup@web1", f"{ed25519(1)} of web9\n"])
def test_the_server_takes_the_key_for_sftp_alone(told: str) -> None:
    said = FILTERS["backup_invitation"](told, SERVER, "web1")
    assert said.splitlines()[1:] == [f'restrict,command="internal-sftp" {ed25519(1)} holdfast-backup@web1']
    assert "authorized_keys of depot" in said


@pytest.mark.parametrize(
    "told",
    [
        f'command="sh" {ed25519(1)}',
        f"{ed25519(1)}\n{ed25519(2)}",
        f"{ed25519(1)} a\n{ed25519(2)} b",
        f"If the server does not know this host yet, add this line:\n{ed25519(1)}",
        f"{ed25519(1)}\r{ed25519(2)}",
        ed25519(1)[:-4],
        ed25519(1).replace("ssh-ed25519 A", "ssh-ed25519 B"),
        rsa(3072),
        "",
    ],
)
def test_what_is_no_key_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="cannot be trusted"):
        FILTERS["backup_invitation"](told, SERVER, "web1")
