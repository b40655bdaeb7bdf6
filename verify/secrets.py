"""Sudo passwords, for hosts whose sudo asks for one: they come by standard input and stay in memory."""

from __future__ import annotations

import json
from typing import TextIO

_held: dict[str, str] = {}


def hold_passwords(stream: TextIO) -> None:
    """Read {host: password} as JSON from a stream; nothing at all is fine too.

    Raises:
        ValueError: it is something else. The message never contains what was read.
    """
    text = stream.read().strip()
    try:
        data = json.loads(text) if text else {}
    except ValueError:
        data = None
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise ValueError("standard input must be a JSON object of host names and sudo passwords")
    _held.update({str(name): value for name, value in data.items() if value})


def take_passwords() -> dict[str, str]:
    """What was read, once."""
    found = dict(_held)
    _held.clear()
    return found
