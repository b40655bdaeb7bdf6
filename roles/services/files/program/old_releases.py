"""Releases that no way back needs any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import time

COPY_SECONDS = 86400.0  # after which the copy of a release that has no name yet is none that is still being made


def sweep(folder: str, kept: list[str]) -> None:
    """Remove the releases that are not kept, and copies that were killed: another run may be at work on a young one."""
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if entry.name in kept or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(FileNotFoundError):  # another run has just given its copy its name
            copy = entry.name.startswith(".")
            if not copy or entry.stat(follow_symlinks=False).st_ctime < time.time() - COPY_SECONDS:
                shutil.rmtree(entry.path)
