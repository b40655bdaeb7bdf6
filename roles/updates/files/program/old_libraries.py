"""Which processes still run code that was replaced on the disk, and restarting what may be restarted.

A process chooses its name, what it maps, and in a name space of its own where that seems to lie. So a line of its maps
is no more than a suspicion, and the file itself is looked at: what packages replace is root's, and on the host's disk.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import package_restarts
from commands import kernel_text, must, printable, properties, run

if TYPE_CHECKING:
    from collections.abc import Iterator

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ +(/.+) \(deleted\)")
CODE = re.compile(r"^/(usr|lib\w*|bin|sbin|opt)/")
# Restarting one of these breaks the logins, the bus or the network that live on it: a reboot does it.
ONLY_BY_REBOOT = re.compile(
    r"^(dbus|dbus-broker|systemd-logind|((serial|container)-)?getty@.*|console-getty|networking|ifup@.*|NetworkManager"
    r"|wpa_supplicant)\.service$"
)
# So it is with the containers that live on one of these, but where its own package has asked for the restart: it knows
# how that goes.
CONTAINERS = re.compile(r"^(docker|containerd|podman|libvirtd)\.service$")
SSHD = "ssh.service"  # a reload starts it anew in place, after it has tested its configuration
SETTLE_SECONDS = 5


@dataclass(frozen=True)
class Old:
    """One process that maps what is gone. Without a unit it belongs to somebody's session."""

    pid: int
    name: str
    unit: str
    path: str

    def __str__(self) -> str:
        """For people."""
        return printable(f"{self.name} ({self.pid}, {self.unit or 'a session'}: {self.path})")


@dataclass
class Restarted:
    """What was restarted, what keeps old code until a reboot, what ends with a session, and what did not go well."""

    units: list[str]
    reboot: list[str]
    sessions: list[str]
    wrong: list[str]


def suspects(maps: str) -> Iterator[tuple[str, str]]:
    """What a process's maps call a library or program that is gone: its place in map_files, and its path."""
    for line in maps.split("\n"):
        found = MAPPING.fullmatch(line)
        if found and CODE.match(found[4]) and ("x" in found[3] or re.search(r"\.so\b", found[4])):
            yield f"{int(found[1], 16):x}-{int(found[2], 16):x}", found[4]


def is_gone(mapped: str, path: str, overlays: set[int]) -> bool:
    """Whether what is mapped was code of this host, and is no more.

    A file that a service has made is its own. One of root's that it gives another place, or a name that ends in what
    the kernel says of files that are gone, still has its name elsewhere. A mount of its own is no disk of the host's.
    On the host's overlay, as in a container, the count of names is that of the layer below, and says nothing.
    """
    try:
        found, folder = os.stat(mapped), os.path.dirname(path)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        same_disk = found.st_dev == os.stat(folder).st_dev
    except OSError:  # unmapped meanwhile, or on a disk of its user's, which even root is not shown
        return False
    return found.st_uid == 0 and same_disk and (found.st_nlink == 0 or found.st_dev in overlays)


def overlay_disks(mounts: str) -> set[int]:
    """The devices of overlays, from mountinfo."""
    halves = [line.split(" - ", 1) for line in mounts.split("\n") if " - overlay " in line]
    devices = [before.split(" ")[2].split(":") for before, _ in halves]
    return {os.makedev(int(major), int(minor)) for major, minor in devices}


def are_shown() -> bool:
    """Whether root may look at mapped files themselves; in a container without this right, maps are believed."""
    folder = "/proc/self/map_files"
    try:
        os.stat(f"{folder}/{os.listdir(folder)[0]}")
    except PermissionError:
        return False
    return True


def cgroup_path(text: str) -> str:
    """The path in systemd's hierarchy from /proc/PID/cgroup, with the old layout and with the new one."""
    lines = [line.split(":", 2) for line in text.split("\n")]
    paths = {fields[1]: fields[2] for fields in lines if len(fields) == 3}
    return paths.get("name=systemd", paths.get("", ""))


def unit_of(path: str, root: str) -> str:
    """The system's unit that owns a cgroup; empty for sessions and what they started. ``root``: PID 1's own folder.

    The first one counts: what is below it is named by whoever it was given to.
    """
    for part in path.removeprefix(root).split("/"):
        if part == "init.scope" or (part.endswith(".service") and not part.startswith("user@")):
            return part
        if part.endswith((".scope", ".service")):
            return ""
    return ""


def look() -> list[Old]:
    """Every process of this host that maps deleted code; those of containers are their image's business.

    Not this one: it ends by itself, and a restart of its own unit would end it amid the others.
    """
    root = cgroup_path(kernel_text("/proc/1/cgroup")).removesuffix("/init.scope")
    here = os.readlink("/proc/self/ns/pid")
    overlays, shown = overlay_disks(kernel_text("/proc/self/mountinfo")), are_shown()
    found = []
    own = str(os.getpid())
    for pid in [entry for entry in os.listdir("/proc") if entry.isdigit() and entry != own]:
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != here:
                continue
            for mapping, path in suspects(kernel_text(f"/proc/{pid}/maps")):
                if shown and not is_gone(f"/proc/{pid}/map_files/{mapping}", path, overlays):
                    continue
                unit = unit_of(cgroup_path(kernel_text(f"/proc/{pid}/cgroup")), root)
                found.append(Old(int(pid), kernel_text(f"/proc/{pid}/comm").removesuffix("\n"), unit, path))
                break
        # It has ended meanwhile, or has rights that root in a container without CAP_SYS_PTRACE may not look at.
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def sorted_out(found: list[Old]) -> tuple[set[str], Restarted]:
    """Return the units to restart now, and what is left to a reboot or to the end of a session or job."""
    now, rest = set(), Restarted([], [], [], [])
    for old in found:
        if not old.unit:
            rest.sessions.append(str(old))
            continue
        if old.pid == 1 or old.unit == "init.scope":
            now.add("init.scope")
            continue
        unit = properties(old.unit, "MainPID", "KillMode", "Type")
        outlives = unit["KillMode"] == "process" and unit["MainPID"] != str(old.pid)
        if outlives or unit["Type"] == "oneshot":  # a login below sshd, a job below cron, a job that ends by itself
            rest.sessions.append(str(old))
        elif ONLY_BY_REBOOT.match(old.unit) or (CONTAINERS.match(old.unit) and old.unit not in put_off()):
            rest.reboot.append(str(old))
        else:
            now.add(old.unit)
    return now, rest


def put_off() -> dict[str, str]:
    """Units whose package asked for a restart that they still wait for, and which start of theirs that is."""
    return {unit: start for unit, start in package_restarts.put_off().items() if not ONLY_BY_REBOOT.match(unit)}


def restart() -> Restarted:
    """Restart every unit that maps deleted code, or whose package asked for it in vain; see that each runs afterwards.

    A program's own scripts are mapped by nobody: of those the package alone tells that they were replaced.
    """
    wanted, _ = sorted_out(look())
    wanted |= set(put_off())
    services = sorted(wanted - {"init.scope"})
    lost: dict[str, str] = {}
    if "init.scope" in wanted:
        must("systemctl", "daemon-reexec", seconds=120)
    for unit in services:
        how = ("reload",) if unit == SSHD else ("try-restart", "--")
        code, text = run("systemctl", *how, unit, seconds=180)
        if code:
            lost[unit] = f"{unit} did not come back after its restart: {text}"
    if wanted:
        time.sleep(SETTLE_SECONDS)  # what cannot run any more often says so after its start
    states = {unit: properties(unit, "ActiveState")["ActiveState"] for unit in services if unit not in lost}
    down = [f"{unit} ({state})" for unit, state in states.items() if state not in ("active", "reloading")]
    still, rest = sorted_out(look())
    rest.wrong = list(lost.values())
    rest.wrong += [f"not running any more after its restart: {', '.join(down)}"] if down else []
    rest.wrong += [f"restarted, and still running old code: {', '.join(sorted(still))}"] if still else []
    rest.units = sorted(wanted)
    return rest
