"""Whether sshd really listens: the exit code of a reload proves nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from host import GuardError, log, run

SECONDS = 3.0
PROC = Path("/proc")
PROGRAM = "/usr/sbin/sshd"
INODE = re.compile(r" ino:(\d+) ")


def _wanted() -> set[str]:
    """Every address and port that the configuration asks for; IPv6 only where the kernel has it."""
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd -T refuses without it while ssh.service is down
    code, text = run("/usr/sbin/sshd", "-T")
    if code:
        raise GuardError(f"sshd -T: {text}")
    found = {line.split()[1] for line in text.splitlines() if line.startswith("listenaddress ")}
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as handle:
            has_ipv6 = bool(handle.read(1))
    except FileNotFoundError:
        has_ipv6 = False
    return found if has_ipv6 else {address for address in found if not address.startswith("[")}


def _main_pid() -> int:
    """Process that systemd takes for sshd; 0 without one."""
    code, text = run("systemctl", "show", "-p", "MainPID", "--value", "ssh.service")
    if code or not text.isdigit():
        raise GuardError(f"systemctl show ssh.service: {text}")
    return int(text)


def _listening() -> dict[str, str]:
    """Each address on which something listens, by its socket as /proc shows it.

    Not by the names that `ss -p` shows: a process gives itself one, with another's number in it if it likes.
    """
    lines = [(line.split(), INODE.search(line)) for line in run("ss", "-ltnHe")[1].split("\n")]
    return {f"socket:[{inode[1]}]": words[3] for words, inode in lines if inode}


def _sockets(pid: int) -> set[str]:
    """The sockets that a process holds, and what else it has open; nothing of one that has ended."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(PROC / f"{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(PROC / f"{pid}/fd/{name}"))
    return found


def _daemons() -> set[int]:
    """Every process that is an sshd, whatever it calls itself; after an upgrade its file is another."""
    found = set()
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(folder / "exe").removesuffix(" (deleted)") == PROGRAM:
                found.add(int(folder.name))
    return found


def _owned() -> set[str]:
    """Addresses on which the main sshd process listens now."""
    main = _main_pid()
    mine = _sockets(main) if main else set()
    return {address for socket, address in _listening().items() if socket in mine}


def _strays() -> set[int]:
    """Every sshd that holds a wanted port and that systemd has lost track of."""
    ports, main = {address.rpartition(":")[2] for address in _wanted()}, _main_pid()
    wanted = {socket for socket, address in _listening().items() if address.rpartition(":")[2] in ports}
    return {pid for pid in _daemons() - {main} if wanted & _sockets(pid)}


def end_strays() -> None:
    """End the strays, since no other sshd could bind their port, and wait until they let go of it.

    Never raises: where nobody can tell which sshd is the unit's own, none is ended and the log says why.
    """
    try:
        found = _strays()
        for pid in found:
            log(f"ending a stray sshd (process {pid}) that holds the port")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + SECONDS
        while found & _strays() and time.monotonic() < end:
            time.sleep(0.05)
    except GuardError as error:
        log(f"no stray sshd was looked for: {error}")


def wait_until_listening() -> None:
    """Return when sshd owns every address that it should; raise after three seconds."""
    wanted = _wanted()
    end = time.monotonic() + SECONDS
    while missing := wanted - _owned():
        if time.monotonic() > end:
            why = run("journalctl", "-u", "ssh", "-n", "3", "-o", "cat", "--no-pager")[1]
            raise GuardError(f"sshd does not listen on {', '.join(sorted(missing))}: {why}")
        time.sleep(0.05)


def bring_back(*, by_socket: bool) -> list[str]:
    """Reload sshd, or start it where the commit ended it; or see its socket unit listen. Return the problems met."""
    if by_socket:
        end = time.monotonic() + SECONDS
        while run("systemctl", "--quiet", "is-active", "ssh.socket")[0]:
            if time.monotonic() > end:
                return ["ssh.socket does not listen"]
            end_strays()
            run("systemctl", "reset-failed", "ssh.socket")  # after failing starts systemd would refuse a good one
            run("systemctl", "start", "ssh.socket")
            time.sleep(0.05)
        return []
    run("systemctl", "reset-failed", "ssh.service")  # after failing starts systemd would refuse the mended one
    code, text = run("systemctl", "reload-or-restart", "ssh.service")
    if code:
        return [f"ssh: {text}"]
    try:
        wait_until_listening()
    except GuardError:
        # A reload of a daemon that lost its listener may do nothing: start it anew.
        end_strays()
        code, text = run("systemctl", "restart", "ssh.service")
        try:
            wait_until_listening()
        except GuardError as error:
            return [str(error)]
    return []
