"""What every part of the guard shares: where things lie, the lock, the log, running a command."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import syslog
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STORE = "/var/lib/holdfast/guard"
STATE = f"{STORE}/armed.json"  # its presence means armed; the boot unit's condition
KEPT = f"{STORE}/confirmed.json"  # the last commit that was confirmed: what was armed until then, renamed
LAST = f"{STORE}/last-revert.json"
LOG = f"{STORE}/log"
RESCUE = f"{STORE}/rescue.sh"
TABLES = f"{STORE}/tables.nft"
LIVE = f"{STORE}/tables.json"  # digests of our tables as the last confirmed commit left them
STAGING = f"{STORE}/staging.json"
RUN = "/run/holdfast-guard"
LOCK = f"{RUN}.lock"
KILL_AT = f"{RUN}.kill-at"
LOCK_SECONDS = 30
UNIT_DIRECTORIES = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/")


class GuardError(Exception):
    """A refusal: nothing was left half done, and the message says what to mend."""

    def __init__(self, message: str, did: Iterable[str] = ()) -> None:
        """:param did: what was done all the same, one thing each."""
        super().__init__(message)
        self.did = list(did)


def run(*argv: str, stdin: bytes | None = None, seconds: float = 30) -> tuple[int, str]:
    """Run a command; return its exit code and everything that it printed."""
    try:
        done = subprocess.run(
            argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False
        )
    except FileNotFoundError:
        return 127, f"{argv[0]}: not installed"
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(argv)}: no end after {seconds:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def must(*argv: str, stdin: bytes | None = None) -> str:
    """Run a command that has to succeed; return what it printed."""
    code, text = run(*argv, stdin=stdin)
    if code:
        raise GuardError(f"{' '.join(argv)}: exit code {code}: {text}")
    return text


def uptime() -> float:
    """Seconds since boot, suspend included: a clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def this_start() -> str:
    """Name this start of the host. A container has the boot of the machine it is on, and a process 1 of its own."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot, open("/proc/1/stat", "rb") as first:
        return f"{boot.read().strip()} {first.read().rpartition(b')')[2].split()[19].decode()}"


def held_by(state: dict[str, Any]) -> str:
    """Who holds the host and until when."""
    return (
        f"the guard is held by {state['who']} (commit {state['id']}); "
        f"it reverts in {max(0, state['until'] - uptime()):.0f} s unless it is confirmed before"
    )


def log(text: str) -> None:
    """Write to the journal and, where the disk has room, to the guard's own log, which outlives a volatile journal."""
    syslog.openlog("holdfast-guard")
    syslog.syslog(syslog.LOG_NOTICE, text)
    with contextlib.suppress(OSError), open(LOG, "a", encoding="utf-8") as handle:
        handle.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")


def checkpoint(step: str) -> None:
    """Die here when a test asked for it: root wrote the step's name into /run/holdfast-guard.kill-at. Used once.

    With ``pause`` before the name it stops instead, until SIGCONT.
    """
    try:
        with open(KILL_AT, encoding="utf-8") as handle:
            wanted = handle.read().strip()
    except FileNotFoundError:
        return
    if wanted.removeprefix("pause ") == step:
        os.unlink(KILL_AT)
        os.kill(os.getpid(), signal.SIGKILL if wanted == step else signal.SIGSTOP)


@contextlib.contextmanager
def transition() -> Iterator[None]:
    """Hold the lock for one transition (arm, confirm, revert), never longer: a killed holder frees it."""
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(handle)
                raise GuardError(f"another guard transition has been going on for {LOCK_SECONDS} s") from None
            time.sleep(0.02)
    try:
        yield
    finally:
        os.close(handle)


def revert_unit(ident: str) -> str:
    """Name of a commit's timer and of what it starts.

    Each commit has its own: a stop of the last one's that systemd has not yet carried out never meets the next one's.
    """
    return f"holdfast-guard-revert-{ident}"


def abort_unit(ident: str) -> str:
    """Name of the switch by which the connecting account asks for the revert."""
    return f"holdfast-guard-abort-{ident}"


def sync_directory(path: str) -> None:
    """Make renames and unlinks in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file of the guard's own, so that it is whole after a power loss."""
    fresh = f"{path}.new"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        os.unlink(fresh)
        error.filename = path  # a full disk does not say which one it is
        raise
    os.rename(fresh, path)
    sync_directory(os.path.dirname(path))


def blank_report() -> bytes:
    """Blank room for what a revert will say."""
    return b" " * 16384


def read_state(path: str = STATE) -> dict[str, Any] | None:
    """Return what is armed (or, from another place, was confirmed), or None."""
    try:
        with open(path, encoding="utf-8") as handle:
            state: dict[str, Any] = json.load(handle)
    except FileNotFoundError:
        return None
    return state


def unlink(path: str) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def reply(**fields: Any) -> NoReturn:
    """Answer the caller in JSON and end."""
    print(json.dumps(fields))
    raise SystemExit(1 if fields.get("failed") else 0)
