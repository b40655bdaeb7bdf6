"""Folders, and what lies anywhere below them."""

from __future__ import annotations

import os
from typing import NoReturn


def refuse(error: OSError) -> NoReturn:
    """Let no folder count as empty that cannot be read."""
    raise error


def files_below(path: str) -> list[str]:
    """The files anywhere below a folder, which need not be there."""
    if not os.path.isdir(path):
        return []
    return [f"{folder}/{name}" for folder, _, names in os.walk(path, onerror=refuse) for name in names]


def holds(folder: str, path: str) -> bool:
    """Tell whether a path is another one or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
