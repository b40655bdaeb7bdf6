"""The folder of built images and logs."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.progress import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_dir() -> Path:
    """Return $HOLDFAST_CACHE, else ~/.cache/holdfast. It exists afterwards. Raises LabError where it cannot be made."""
    path = Path(os.environ.get("HOLDFAST_CACHE") or Path.home() / ".cache/holdfast")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot make {path} ({error.strerror}): name a folder of yours in HOLDFAST_CACHE") from error
    return path


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of this cache, so that two runs do not do the same work twice."""
    with (cache_dir() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
