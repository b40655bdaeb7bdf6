"""This host's key for the server."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from typing import Any

import connection
import locations
import records
from failures import BackupError


def make_once() -> None:
    """Make this host's key for the server, once, and lay its public half where the sandbox sees it."""
    private = f"{locations.SECRETS}/id_ed25519"
    os.makedirs(locations.SECRETS, mode=0o700, exist_ok=True)
    if not os.path.exists(private) or not os.path.getsize(private):
        make_key(private)
    # Derived each time: no kill can leave one half without the other.
    fix = f"{private} cannot be used; remove it, and the next run makes another, of which the server has to be told"
    records.put(f"{locations.FOLDER}/id_ed25519.pub", keygen(fix, "-y", "-P", "", "-f", private))


def make_key(private: str) -> None:
    """Make a key that has its name once it is whole.

    Raises:
        BackupError: it could not be made.
    """
    new, failed = f"{private}.new", f"{private} could not be made"
    comment = f"holdfast-backup@{records.orders()['host']}"
    try:
        # What a killed run left: ssh-keygen would ask before it writes over that.
        for path in (new, f"{new}.pub", f"{private}.pub"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        keygen(failed, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", new)
        os.unlink(f"{new}.pub")
        with open(new, "rb") as handle:
            os.fsync(handle.fileno())
        os.rename(new, private)
    except OSError as error:
        raise BackupError(f"{failed}: {error.strerror}") from error


def keygen(otherwise: str, *arguments: str) -> str:
    """Return what ssh-keygen says.

    Raises:
        BackupError: it failed; with these words.
    """
    done = subprocess.run(
        ["ssh-keygen", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        raise BackupError(f"{otherwise}: {done.stderr.strip()}")
    return done.stdout


def tell(order: dict[str, Any]) -> None:
    """Tell what the operator has to see to before the next backup; nothing when that is nothing.

    On the output this host's public key, as long as the server may not know it; beside it where the backups so far are.
    """
    if not order["server"]:
        return
    if words := records.elsewhere(order):
        print(words, file=sys.stderr)
    # Also where the server knew this host, and a key that was made since is not the one that it knows.
    if not records.was_made(order) or re.search(connection.STRANGER, connection.shut_out()):
        with open(f"{locations.FOLDER}/id_ed25519.pub", encoding="utf-8") as handle:
            print(handle.read().strip())
