"""What modules read on a host that may be anybody's work."""

from __future__ import annotations


def read(path: str) -> str:
    """Return a file's text as it is, with the ends of its lines; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as handle:
            return handle.read()
    except OSError:
        return ""
