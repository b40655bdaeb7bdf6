"""The snapshots of this host, in the order in which they were made."""

from __future__ import annotations

import datetime
from typing import Any

import restic
import wording


def when(snapshot: dict[str, Any]) -> datetime.datetime:
    """The time that a snapshot bears."""
    return datetime.datetime.fromisoformat(snapshot["time"]).astimezone(datetime.UTC)


def of_host(order: dict[str, Any], *which: str) -> list[dict[str, Any]]:
    """This host's snapshots, the oldest first. One of the future comes first: it was made under a wrong clock.

    Whatever name it had: the repository is its own.
    """
    asked = ["--json", "--tag", "holdfast", *which]
    found: list[dict[str, Any]] = wording.parsed(restic.must(order, restic.UNLOCKED, "snapshots", *asked)) or []
    present = datetime.datetime.now(datetime.UTC)
    return sorted(found, key=lambda one: (when(one) <= present, when(one)))
