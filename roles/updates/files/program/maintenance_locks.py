"""Nothing is restarted while a commit, a deployment, a backup, a drill or apt is at work; nor do they begin then."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from commands import Problem, run

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "/run/holdfast/locks"
JOBS = ("deploy", "backup", "drill")
GUARD = "/usr/local/lib/holdfast/guard"
GUARD_LOCK = "/run/holdfast-guard.lock"
APT_LOCK = "/var/lib/dpkg/lock-frontend"
PAUSE = 1.0


def _take(path: str, *, posix: bool = False) -> int | None:
    """Lock a file and return its descriptor; None when somebody else has it. apt's kind of lock is another one."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        (fcntl.lockf if posix else fcntl.flock)(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _armed() -> str:
    """Tell who holds the host with a commit that nobody has confirmed yet."""
    code, text = run(GUARD, "status")
    if code:
        raise Problem(f"{GUARD} status: {text}")
    state = json.loads(text)["armed"]
    return f"guard (unconfirmed commit of {state['who']})" if state else ""


def _take_all(*, apt: bool) -> tuple[list[int], str]:
    """Take every lock, or none: return their descriptors and who is in the way."""
    taken: list[int] = []
    wanted = [(name, f"{FOLDER}/{name}", False) for name in JOBS] + [("guard", GUARD_LOCK, False)]
    busy = ""
    for name, path, posix in [*wanted, *([("apt", APT_LOCK, True)] if apt else [])]:
        handle = _take(path, posix=posix)
        if handle is None:
            busy = name
            break
        taken.append(handle)
    busy = busy or _armed()
    if busy:
        for handle in taken:
            os.close(handle)
        taken = []
    return taken, busy


@contextlib.contextmanager
def held(seconds: float, *, apt: bool) -> Iterator[None]:
    """Hold every lock; wait for them as long as given.

    Raises Problem: somebody was in the way all the time.
    """
    end = time.monotonic() + seconds
    while True:
        taken, busy = _take_all(apt=apt)
        if taken:
            break
        if time.monotonic() > end:
            raise Problem(f"nothing was restarted: {busy} was at work all the time, {seconds / 60:.0f} minutes long")
        time.sleep(PAUSE)
    try:
        yield
    finally:
        for handle in taken:
            os.close(handle)
