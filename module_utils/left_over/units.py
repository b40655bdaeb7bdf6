"""Units that nobody declared, and which of them a host can do without."""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING

from ansible.module_utils.left_over.enabled_units import STATES, enabled_instances
from ansible.module_utils.left_over.host_tools import read
from ansible.module_utils.left_over.names import allows, matches, printable, template
from ansible.module_utils.left_over.way_in import SS, carriers, holds_a_tunnel, lineage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.module_utils.left_over.host_tools import Host

BROUGHT = re.compile(r"(?m)^(?:/usr)?/lib/systemd/system/([^/\n]+\.[a-z]+)$")
# What the others (mounts, swap, targets) hold, only somebody who knows it can let go.
KINDS = (".service", ".timer", ".socket", ".path")
# Never stopped, whatever somebody allows: logins, and what systemd and holdfast stand on.
NEVER = ("ssh.*", "ssh@*", "sshd*", "systemd-*", "dbus*", "getty@*", "serial-getty@*", "networking.*", "holdfast-*")
# Who is ordered before one of these brings up disks, the network, names or accounts, or is the firewall before them.
GROUND = {
    "sysinit.target", "local-fs-pre.target", "local-fs.target", "remote-fs-pre.target", "remote-fs.target",
    "network-pre.target", "network.target", "network-online.target", "nss-lookup.target", "nss-user-lookup.target",
    "systemd-user-sessions.service", "ssh.service", "ssh.socket", "sshd.service",
}  # fmt: skip
# What comes before these is no ground of anything: nearly all is ordered so, and nearly all comes after them.
NO_ORDER = {
    "basic.target", "sockets.target", "timers.target", "paths.target", "slices.target", "time-sync.target",
    "multi-user.target", "graphical.target", "rescue.target", "emergency.target", "shutdown.target", "umount.target",
}  # fmt: skip
STEPS = 3  # from one unit to what comes after it: a pool's import comes before a target, that before its mounts
# A login may come through them, and they are ordered before nothing. Others hold the device of tunnels.
TUNNELS = (
    "wg-quick@*", "*vpn*", "tailscaled*", "zerotier*", "*strongswan*", "*ipsec*", "netbird*", "netclient*", "nebula*",
)  # fmt: skip
MOUNTING = ("autofs*", "*sshfs*", "*mergerfs*", "*rclone*")
PROPERTIES = "Id,FragmentPath,Before,RequiredBy,BoundBy,RequisiteOf,ConsistsOf,Triggers,ControlGroup"
SETS = "/var/lib/holdfast/sets/*.json"


def stem(unit: str) -> str:
    """What a service, its template, its socket and its timer have in common."""
    return unit.rpartition(".")[0].partition("@")[0]


def also_named(text: str) -> list[str]:
    """Return what a unit's file has disabled along with it."""
    return [name for line in re.findall(r"(?m)^Also=(.*)$", text) for name in line.split()]


class Units:
    """What systemd starts by itself, and what packages bring."""

    def __init__(self, host: Host, allowed: list[str], packages: list[str]) -> None:
        """Find what is left over and can go. What the ``packages`` bring, which are to be purged, goes with them.

        ``obstacles``: units of theirs that would be kept if they were not theirs, as (package, unit, reason).
        """
        self.host, self.allowed = host, allowed
        self.kept: list[str] = []
        self.loaded: dict[str, list[dict[str, str]]] = {}
        self.after: dict[str, set[str]] = {}
        self.here = {stem(unit) for unit in lineage()[0]}
        self.carriers: set[str] | None = None
        self.brought = self._brought(packages)
        self.states = self._enabled()
        theirs = [name for name in self.states if template(name) in self.brought or name in self.brought]
        left = self._left_over()
        gone = {*left, *self.brought}
        judged = [(name, self._needed(name, gone)) for name in left]
        self.found = [name for name, reason in judged if not reason]
        self.kept = [f"{printable(name)} stays enabled: {reason}" for name, reason in judged if reason]
        self.obstacles = [
            (self.brought.get(name) or self.brought[template(name)], printable(name), reason)
            for name in sorted({*self._active({name for name in self.brought if "@." not in name}), *theirs})
            if (reason := self._needed(name, gone, kinds=False))
        ]

    def _brought(self, packages: list[str]) -> dict[str, str]:
        """The units that packages bring, and of each its package."""
        return {
            unit: package.partition(":")[0]
            for package in packages
            for unit in re.findall(BROUGHT, self.host.run("dpkg-query", "-L", package))
        }

    def _enabled(self) -> dict[str, str]:
        out = self.host.run("systemctl", "list-unit-files", "--no-legend", "--plain", f"--state={STATES}")
        states = {one[0]: one[1] for one in (line.split() for line in out.splitlines()) if len(one) > 1}
        return states | {name: state for name, state in enabled_instances().items() if template(name) not in states}

    def _left_over(self) -> list[str]:
        """Units that are not allowed, of no package that goes, and of no role: that one ends its own in order."""
        left = [name for name in self.states if not allows(self.allowed, name)]
        left = [name for name in left if not {name, template(name)} & {*self.brought}]
        paths = {name: (self._loaded(name) or [{}])[-1].get("FragmentPath", "") for name in left}
        ours = "".join(read(path) for path in glob.glob(SETS))
        return [name for name in left if f'"{paths[name]}"' not in ours]

    def _loaded(self, name: str) -> list[dict[str, str]]:
        """What systemd knows of the unit; of a template, of all its instances, and of one that nobody runs."""
        if name not in self.loaded:
            names = [name]
            if "@." in name:
                pattern = name.replace("@.", "@*.")
                out = self.host.run("systemctl", "list-units", "--all", "--no-legend", "--plain", "--full", pattern)
                names = [*(line.split()[0] for line in out.splitlines() if line.strip()), name.replace("@.", "@probe.")]
            self.loaded[name] = self._shown(names)
        return self.loaded[name]

    def _shown(self, names: list[str]) -> list[dict[str, str]]:
        out = self.host.run("systemctl", "show", "--property", PROPERTIES, "--", *names) if names else ""
        blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in out.split("\n\n")]
        return [block for block in blocks if block.get("Id")]

    def _started(self, name: str) -> list[str]:
        """What a socket has started, or would, and is stopped with it."""
        sockets = self._loaded(name) if name.endswith(".socket") else []
        started = [one for unit in sockets for one in unit.get("Triggers", "").split()]
        return [one for one in started if not matches(one, self.allowed)]

    def _comes_after(self, unit: dict[str, str]) -> set[str]:
        """What comes after a unit, and after that."""
        found: set[str] = set()
        next_ones = {*unit.get("Before", "").split()} - NO_ORDER
        for _step in range(STEPS):
            found |= next_ones
            unknown = sorted(next_ones - {*self.after})
            self.after.update({one: set() for one in unknown})
            self.after.update({one["Id"]: {*one.get("Before", "").split()} for one in self._shown(unknown)})
            next_ones = {other for one in next_ones for other in self.after[one]} - NO_ORDER - found
        return found

    def _carries(self, group: str) -> bool:
        """Whether a unit's processes hold a tunnel, or pass a login on to sshd."""
        if self.carriers is None:
            self.carriers = carriers(self.host.run(SS, "-Htne", "state", "established"))
        return holds_a_tunnel(group) or any(f"{one}/".startswith(f"{group}/") for one in self.carriers if group)

    def _needed(self, name: str, gone: set[str], *, kinds: bool = True) -> str:
        """Return why the unit is kept, nothing where it can go. ``gone``: units that go with it."""
        return next(self._reasons(name, gone, kinds=kinds), "")

    def _reasons(self, name: str, gone: set[str], *, kinds: bool) -> Iterator[str]:
        if kinds and not name.endswith(KINDS):
            yield "it is no service, timer, socket or path"
        if matches(name, NEVER):
            yield "logins, or holdfast itself, stand on it"
        if stem(name) in self.here:
            yield "this very run came in through it"
        if matches(name, TUNNELS):
            yield "a login may come in through it"
        if matches(name, MOUNTING):
            yield "it may mount what others need"
        for unit in [*self._loaded(name), *self._shown(self._started(name))]:
            if matches(unit["Id"], NEVER):
                yield f"it starts {unit['Id']}"
            if GROUND & self._comes_after(unit):
                yield "disks, the network or logins may need it, which come after it"
            if self._carries(unit.get("ControlGroup", "")):
                yield "it holds a tunnel or passes connections on to sshd, and a login may come in through that"
            if by := self._active(self._stopped_with(unit, name, gone)):
                yield f"{', '.join(by)} would be stopped with it"
            if kinds and (
                also := [one for one in also_named(read(unit.get("FragmentPath", ""))) if allows(self.allowed, one)]
            ):
                yield f"{', '.join(also)} would be disabled with it"

    def _stopped_with(self, unit: dict[str, str], name: str, gone: set[str]) -> set[str]:
        """What systemd stops with a unit, and is to stay. Of its own kin stays only what is allowed."""
        keys = ("RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf")
        others = {one for key in keys for one in unit.get(key, "").split()}
        others = {one for one in others if one not in gone and template(one) not in gone}
        return {one for one in others if stem(one) != stem(name) or allows(self.allowed, one)}

    def _active(self, names: set[str]) -> list[str]:
        """Those of the units that run."""
        if not names:
            return []
        _code, out, _err = self.host.module.run_command(["systemctl", "is-active", "--", *sorted(names)])
        return [name for name, state in zip(sorted(names), out.split(), strict=False) if state == "active"]

    def _running(self, names: list[str]) -> list[str]:
        """Names of what is stopped with the units: instances, and what a socket has started."""
        found = {}
        for name in names:
            found.update(dict.fromkeys([*(unit["Id"] for unit in self._loaded(name)), *self._started(name)]))
        return [name for name in found if "@probe." not in name]

    def disable(self) -> None:
        """Stop and disable them. A unit that cannot be stopped is kept: disabled, it would not be found again."""
        names = self._running(self.found)
        if names and self.host.module.run_command(["systemctl", "stop", "--", *names])[0]:
            on = {*self._active({*names})}
            for name in [name for name in self.found if on & {*self._running([name])}]:
                self.found.remove(name)
                self.kept.append(f"{printable(name)} stays enabled: systemd does not stop it")
        for option in ((), ("--runtime",)):
            names = [name for name in self.found if self.states[name].endswith("-runtime") == bool(option)]
            if names:
                self.host.run("systemctl", "disable", *option, "--", *names)
