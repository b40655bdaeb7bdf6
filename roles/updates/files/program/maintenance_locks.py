"""Nothing is restarted while a commit, a deployment, a backup, a drill or apt is at work; nor do they begin then."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import time
from typing import TYPE_CHECKING

from commands import Problem, kernel_text, printable, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = "/run/holdfast/locks"
JOBS = ("deploy", "backup", "drill")
GUARD = "/usr/local/lib/holdfast/guard"
GUARD_LOCK = "/run/holdfast-guard.lock"
APT_LOCK = "/var/lib/dpkg/lock-frontend"
# Debian's own job has it from its first step to its last, between which it has none of the others for a moment.
DAILY_LOCK = "/var/lib/apt/daily_lock"
DAILY = "the host's own job (apt-daily.service or apt-daily-upgrade.service)"
APT_LOCKS = (
    "/run/unattended-upgrades.lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
    APT_LOCK,
    "/var/lib/dpkg/lock",
)
FLOCK = "hhqqi"  # struct flock: type, whence, start, length, process
PAUSE = 1.0


def _take(path: str, *, posix: bool = False) -> int | None:
    """Lock a file and return its descriptor; None when somebody else has it. apt's kind of lock is another one."""
    access = os.O_RDWR if posix else os.O_RDONLY
    handle = os.open(path, access | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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


def _take_daily() -> tuple[list[int], str]:
    if not os.path.exists(DAILY_LOCK):  # the job has never run
        return [], ""
    handle = _take(DAILY_LOCK)
    return ([], DAILY) if handle is None else ([handle], "")


def _take_all(*, apt: bool) -> tuple[list[int], str]:
    """Take every lock, or none: return their descriptors and who is in the way."""
    taken, busy = _take_daily() if apt else ([], "")
    wanted = [(name, f"{FOLDER}/{name}", False) for name in JOBS] + [("guard", GUARD_LOCK, False)]
    wanted += [("apt", APT_LOCK, True)] if apt else []
    for name, path, posix in [] if busy else wanted:
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


def _until(seconds: float, attempt: Callable[[], tuple[list[int], str]], left_undone: str) -> list[int]:
    """Try until nobody is in the way, and return the locks that were taken."""
    end = time.monotonic() + seconds
    while True:
        taken, busy = attempt()
        if not busy:
            return taken
        if time.monotonic() > end:
            raise Problem(f"{left_undone}: {busy} was at work all the time, {seconds / 60:.0f} minutes long")
        time.sleep(PAUSE)


@contextlib.contextmanager
def _holding(seconds: float, attempt: Callable[[], tuple[list[int], str]], left_undone: str) -> Iterator[None]:
    """Hold what an attempt takes; wait for it as long as given."""
    taken = _until(seconds, attempt, left_undone)
    try:
        yield
    finally:
        for handle in taken:
            os.close(handle)


def held(seconds: float, *, apt: bool) -> contextlib.AbstractContextManager[None]:
    """Hold every lock; wait for them as long as given.

    Raises Problem: somebody was in the way all the time.
    """
    return _holding(seconds, lambda: _take_all(apt=apt), "nothing was restarted")


def no_daily_job(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Wait for the host's own job as long as given, and let it wait meanwhile."""
    return _holding(seconds, _take_daily, "apt was not used")


def holder(path: str) -> str:
    """Who has apt's kind of lock on a file; empty when nobody has."""
    try:
        with open(path, "rb") as handle:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    except FileNotFoundError:  # nobody has ever locked it
        return ""
    return "" if kind == fcntl.F_UNLCK else f"{_command(pid)} (process {pid})"


def _command(pid: int) -> str:
    try:
        return printable(kernel_text(f"/proc/{pid}/comm").removesuffix("\n"))
    except FileNotFoundError:  # it has just ended, or belongs to a container
        return "somebody"


def wait_for_apt(seconds: float) -> None:
    """Wait as long as given until nobody has one of apt's locks."""
    _until(seconds, lambda: ([], next(filter(None, map(holder, APT_LOCKS)), "")), "apt was not used")
