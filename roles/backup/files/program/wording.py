"""What restic says, read; and what people are told, without what would steer their terminal."""

from __future__ import annotations

import json
from typing import Any

from failures import BackupError

SHOWN = 20
UNKNOWN = "\ufffd"  # stands in restic's words for each byte of a name that is not UTF-8


def parsed(text: str) -> Any:
    """Return what restic says in JSON.

    Raises:
        BackupError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise BackupError(f"restic's answer is no JSON ({error}): {plain(text[:200])}") from error


def each_parsed(text: str) -> list[dict[str, Any]]:
    """Return what restic says in JSON, one thing a line. `splitlines` would end a line within a name, too."""
    return [parsed(line) for line in text.split("\n") if line]


def plain(text: str) -> str:
    """Text for people, with what cannot be printed written out: whoever can name a file could steer a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
