"""Which processes still run code that was replaced on the disk, and restarting what may be restarted."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from commands import Problem, must, properties, run

MAPPING = re.compile(r"^\S+ (\S+) \S+ \S+ \d+\s+(/\S.*) \(deleted\)$")
CODE = re.compile(r"^/(usr|lib\w*|bin|sbin|opt)/")
# Restarting one of these breaks the logins, the bus, the network or the containers that live on it: a reboot does it.
ONLY_BY_REBOOT = re.compile(
    r"^(dbus|dbus-broker|systemd-logind|((serial|container)-)?getty@.*|console-getty|networking|ifup@.*|NetworkManager"
    r"|wpa_supplicant|docker|containerd|podman|libvirtd)\.service$"
)
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
        return f"{self.name} ({self.pid}, {self.unit or 'a session'}: {self.path})"


@dataclass
class Restarted:
    """What was restarted, what keeps old code until a reboot, and what ends with a session."""

    units: list[str]
    reboot: list[str]
    sessions: list[str]


def deleted_code(maps: str) -> str:
    """The first library or program in a process's maps that is gone from the disk; empty when there is none."""
    for line in maps.splitlines():
        found = MAPPING.match(line)
        if found and CODE.match(found[2]) and ("x" in found[1] or re.search(r"\.so\b", found[2])):
            return found[2]
    return ""


def cgroup_path(text: str) -> str:
    """The path in systemd's hierarchy from /proc/PID/cgroup, with the old layout and with the new one."""
    paths = {fields[1]: fields[2] for fields in (line.split(":", 2) for line in text.splitlines()) if len(fields) == 3}
    return paths.get("name=systemd", paths.get("", ""))


def unit_of(path: str, root: str) -> str:
    """The system's unit that owns a cgroup; empty for sessions and what they started. ``root``: PID 1's own folder."""
    for part in path.removeprefix(root).split("/"):
        if part.startswith("user@"):
            return ""
        if part == "init.scope" or part.endswith(".service"):
            return part
    return ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read()


def look() -> list[Old]:
    """Every process of this host that maps deleted code; those of containers are their image's business.

    Not this one: it ends by itself, and a restart of its own unit would end it amid the others.
    """
    root = cgroup_path(_read("/proc/1/cgroup")).removesuffix("/init.scope")
    here = os.readlink("/proc/self/ns/pid")
    found = []
    own = str(os.getpid())
    for pid in [entry for entry in os.listdir("/proc") if entry.isdigit() and entry != own]:
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != here:
                continue
            if path := deleted_code(_read(f"/proc/{pid}/maps")):
                unit = unit_of(cgroup_path(_read(f"/proc/{pid}/cgroup")), root)
                found.append(Old(int(pid), _read(f"/proc/{pid}/comm").strip(), unit, path))
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def sorted_out(found: list[Old]) -> tuple[set[str], Restarted]:
    """Return the units to restart now, and what is left to a reboot or to the end of a session or job."""
    now, rest = set(), Restarted([], [], [])
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
        elif ONLY_BY_REBOOT.match(old.unit):
            rest.reboot.append(str(old))
        else:
            now.add(old.unit)
    return now, rest


def restart() -> Restarted:
    """Restart every unit that maps deleted code, and see that none does afterwards."""
    wanted, _ = sorted_out(look())
    for unit in sorted(wanted):
        if unit == "init.scope":
            must("systemctl", "daemon-reexec", seconds=120)
        elif unit == SSHD:
            must("systemctl", "reload", unit)
        else:
            code, text = run("systemctl", "try-restart", "--", unit, seconds=180)
            if code:
                raise Problem(f"{unit} did not come back after its restart: {text}")
    if wanted:
        time.sleep(SETTLE_SECONDS)  # what cannot run any more often says so after its start
    services = sorted(wanted - {"init.scope"})
    states = {unit: properties(unit, "ActiveState")["ActiveState"] for unit in services}
    if down := [f"{unit} ({state})" for unit, state in states.items() if state not in ("active", "reloading")]:
        raise Problem(f"not running any more after its restart: {', '.join(down)}")
    still, rest = sorted_out(look())
    if still:
        raise Problem(f"restarted, and still running old code: {', '.join(sorted(still))}")
    return Restarted(sorted(wanted), rest.reboot, rest.sessions)
