"""What is backed up, looked at from within the sandbox before restic reads it."""

from __future__ import annotations

import os
from typing import Any

import locations
import mounts
import records
import trees
from failures import BackupError

UNIT = "holdfast-backup-sources.service"


def holds_something(path: str) -> bool:
    """Tell whether a file has content, or a folder a file anywhere below it."""
    if not os.path.isdir(path):
        return os.stat(path).st_size > 0
    return any(files for _, _, files in os.walk(path, onerror=trees.refuse))


def look_at_sources(order: dict[str, Any]) -> None:
    """Refuse to back up what is not there: a snapshot without it would drive the good ones out.

    Raises:
        BackupError: naming every source that is missing, empty, or reached by a link.
    """
    refused = records.read(locations.REFUSED, f"{UNIT} writes it")
    wrong = [f"{path} {reason}" for path, reason in refused.items()]
    for path in order["sources"]:
        if path in refused:
            continue
        try:
            if mounts.follows_links(path):
                wrong.append(f"{path} is not mounted as {UNIT} does it: links in it would be followed")
            elif not holds_something(path):
                wrong.append(f"{path} is empty")
        except OSError as error:
            wrong.append(f"{path} cannot be read: {error.strerror}")
    if wrong:
        raise BackupError("nothing was backed up:\n" + "\n".join(wrong))
