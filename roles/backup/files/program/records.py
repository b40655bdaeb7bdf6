"""What the inventory declares, and what an earlier run wrote down."""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

import locations
from failures import BackupError


def read(path: str, fix: str) -> dict[str, Any]:
    """Return what one of our own files holds.

    Raises:
        BackupError: it cannot be read, or is damaged; with what to do then.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, Any] = json.load(handle)
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}\n{fix}") from error
    return found


def put(path: str, text: str) -> None:
    """Write a file that everybody may read; neither readers nor a power loss ever see half of it.

    Raises:
        BackupError: it could not be written.
    """
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fsync(handle.fileno())
        os.rename(f"{path}.new", path)
    except OSError as error:
        raise BackupError(f"{path} could not be written: {error.strerror}") from error


def orders() -> dict[str, Any]:
    """What the inventory declares for this host."""
    return read(f"{locations.FOLDER}/orders.json", "playbooks/site.yml writes it anew")


def state(name: str) -> dict[str, Any]:
    """What an earlier run wrote down; nothing where none did."""
    path = f"{locations.STATE}/{name}.json"
    return read(path, "remove it, if the repository is where it should be") if os.path.exists(path) else {}


def write_down(name: str, content: dict[str, Any]) -> None:
    """Keep something for later runs and for those who look."""
    put(f"{locations.STATE}/{name}.json", json.dumps(content))


def was_made(order: dict[str, Any]) -> bool:
    """Tell whether the declared repository has been opened from here before."""
    return bool(state("repository").get("url") == order["url"])


def elsewhere(order: dict[str, Any]) -> str:
    """Say that the backups so far are not where they are declared to go; nothing where they are, or there are none."""
    found = state("repository")
    if not found or was_made(order):
        return ""
    return (
        f"the backups of this host since {found['time']} are in {found['url']}, and {order['url']} is declared now. "
        "Move that folder there, and run again; to leave it behind and begin afresh, remove "
        f"{locations.STATE}/repository.json"
    )


def now() -> str:
    """The time, UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
