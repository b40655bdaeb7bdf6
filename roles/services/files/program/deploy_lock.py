"""The lock that keeps restarts of updates and those of services apart."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whoever restarts services or the host takes this lock for itself alone.
DEPLOY_LOCK = "/run/holdfast/locks/deploy"
DEPLOY_SECONDS = 120.0  # for which a run waits for it; the handler has ten minutes


class BusyError(Exception):
    """Updates are at work on this host."""


@contextlib.contextmanager
def undisturbed(seconds: float) -> Iterator[None]:
    """Keep restarts and reboots of updates away; several may do so at once.

    Raises BusyError: updates were at work all the time.
    """
    os.makedirs(os.path.dirname(DEPLOY_LOCK), mode=0o755, exist_ok=True)
    until = time.monotonic() + seconds
    with os.fdopen(os.open(DEPLOY_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BusyError from None
            time.sleep(0.5)
        yield
