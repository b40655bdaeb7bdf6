"""What runs as an account, whatever name it gives itself, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from host import GuardError

if TYPE_CHECKING:
    import pwd

PROC = Path("/proc")
LINGER = Path("/var/lib/systemd/linger")
SUBORDINATE = Path("/etc/subuid")
POLITE_SECONDS = 5.0  # time that the processes of a closed account get to end by themselves
DYNAMIC_END = 2**16  # below it are the system's accounts, people's, and those that systemd makes up
# All as bytes: a process chooses its name, and a cgroup of its own, and may put \r or what is no text into them. The
# kernel lets neither hold a line's end.
UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t", re.MULTILINE)  # real, effective, and which it may take again
STATE = re.compile(rb"^State:\t(\S)", re.MULTILINE)
THREADS = re.compile(rb"^Threads:\t(\d+)$", re.MULTILINE)
SYSTEMD_CGROUP = re.compile(rb"^(?:0:|\d+:name=systemd):([^\n]*)$", re.MULTILINE)
# Where engines that only root can ask put the processes of a container: cgroups of Docker, containerd, LXC and such.
CONTAINER = re.compile(rb"/(docker|libpod|lxc|crio|cri-containerd|kubepods|machine\.slice)\b")


def numbers_of(account: pwd.struct_passwd) -> list[range]:
    """Return the uids that an account can run something as: its own, and the subordinate ones of its containers.

    A range that is another's as well, or reaches into the numbers of accounts, is told of nobody.
    """
    own: list[range] = []
    others: list[range] = []
    with contextlib.suppress(OSError):
        for line in SUBORDINATE.read_bytes().split(b"\n"):
            words = line.split(b":")
            if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
                mine = os.fsdecode(words[0]) in (account.pw_name, str(account.pw_uid))
                (own if mine else others).append(range(int(words[1]), int(words[1]) + int(words[2])))
    alone = [
        span
        for span in own
        if span.start >= DYNAMIC_END
        and not any(span.start < other.stop and other.start < span.stop for other in others)
    ]
    return [range(account.pw_uid, account.pw_uid + 1), *alone]


def is_over(status: bytes) -> bool:
    """Tell whether a process has ended. One whose first thread has ended, and no other, looks like it and runs on."""
    state, threads = STATE.search(status), THREADS.search(status)
    return state is not None and state[1] in b"ZX" and (threads is None or int(threads[1]) < 2)


def cgroups(folder: Path) -> list[bytes]:
    """Return where systemd has put a process; two places where it keeps both kinds of hierarchies."""
    return SYSTEMD_CGROUP.findall((folder / "cgroup").read_bytes())


def processes(account: pwd.struct_passwd) -> set[int]:
    """Return the ids of the processes that run as the account, or in a session of it (sshd's part included).

    A container's processes have numbers of their own accounts, which may be the same: those that root's engine started
    are left out, not those that the account itself has put into one.
    """
    found = set()
    numbers = numbers_of(account)
    namespace = os.readlink(PROC / "self/ns/pid")
    # The host may be a container itself, and see all its cgroups below one of its engine's.
    root = max((path.removesuffix(b"/init.scope") for path in cgroups(PROC / "1")), key=len, default=b"").rstrip(b"/")
    session = b"/user.slice/user-%d.slice/" % account.pw_uid
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "status").read_bytes()
            if is_over(status):
                continue
            places = [path.removeprefix(root) + b"/" for path in cgroups(folder)]
            if any(path.startswith(session) for path in places):
                found.add(int(folder.name))
                continue
            uids = UIDS.search(status)
            if not uids or not any(int(uid) in span for uid in uids.groups() for span in numbers):
                continue
            engines = any(CONTAINER.search(path) and not path.startswith(b"/user.slice/") for path in places)
            if not (engines and os.readlink(folder / "ns/pid") != namespace):
                found.add(int(folder.name))
    return found


def lingers(name: str) -> bool:
    """Tell whether systemd runs something as the account without a login, from each boot on."""
    return os.path.lexists(LINGER / name)


def ask(*command: str) -> None:
    """Run a command that may fail, as where no logind runs: what it was to end is looked at afterwards."""
    subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def end(account: pwd.struct_passwd) -> None:
    """End all that runs as the account: politely, then for good.

    The slice of its sessions as a whole, since that asks for no number and no name. A process may have it linger again
    as long as it runs.
    """
    name, sessions = account.pw_name, f"user-{account.pw_uid}.slice"
    if os.getpid() in processes(account):
        raise GuardError(f"this very run is part of a session of {name}, which is closed: log in by another way first")
    began = time.monotonic()
    asked = killed = False
    while (left := processes(account)) or lingers(name) or not asked:
        late = time.monotonic() > began + POLITE_SECONDS
        if time.monotonic() > began + 2 * POLITE_SECONDS:
            raise GuardError(f"processes of {name} do not end: {sorted(left)}")
        if lingers(name):
            ask("loginctl", "disable-linger", name)
            (LINGER / name).unlink(missing_ok=True)
        if not asked:
            ask("loginctl", "terminate-user", name)
            ask("systemctl", "--no-block", "stop", sessions)
        if late and not killed:
            ask("systemctl", "kill", "--signal=SIGKILL", sessions)
        asked, killed = True, late
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        if left:
            time.sleep(0.2)
