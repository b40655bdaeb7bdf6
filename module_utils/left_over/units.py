"""Units that nobody declared, and which of them a host can do without."""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING

from ansible.module_utils.host_text import read
from ansible.module_utils.left_over.enabled_units import STATES, enabled_instances
from ansible.module_utils.left_over.names import allows, matches, printable, template
from ansible.module_utils.left_over.programs import running, started
from ansible.module_utils.left_over.way_in import SS, carriers, holds_a_tunnel, lineage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.module_utils.left_over.host_tools import Host

BROUGHT = re.compile(
    r"(?m)^(?:/usr)?/lib/systemd/system/([^/\n]+\.(?:service|socket|timer|path|mount|automount|swap|target|slice))$"
)
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
PROPERTIES = "Id,FragmentPath,Before,RequiredBy,BoundBy,RequisiteOf,ConsistsOf,Triggers,ControlGroup,ExecStart"
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

        ``obstacles``: units for which a package has to stay, as (package, unit, reason): one of its own that would be
        kept if it were not its own, or one that stays and runs a program of it.
        """
        self.host, self.allowed = host, allowed
        self.loaded: dict[str, list[dict[str, str]]] = {}
        self.after: dict[str, set[str]] = {}
        self.here = {stem(unit) for unit in lineage()[0]}
        self.carriers: set[str] | None = None
        self.brought = self._brought(packages)
        self.states = self._enabled()
        left = self._left_over()
        self.gone = {*left, *self.brought}
        self.reasons: dict[str, str] = {}
        self._judge(left)
        self.found = [name for name in left if name not in self.reasons]
        self.kept = [f"{printable(name)} stays enabled: {self.reasons[name]}" for name in left if name in self.reasons]
        self.obstacles = [*self._their_own(), *self._programs(packages)] if packages else []

    def _judge(self, left: list[str]) -> None:
        """Find why each that is kept is kept; what it requires is kept with it."""
        while new := {name: reason for name in left if name not in self.reasons and (reason := self._needed(name))}:
            self.reasons |= new
            self.gone -= {*new}

    def _their_own(self) -> Iterator[tuple[str, str, str]]:
        """Units of the packages that would be kept if they were not theirs: enabled or running, instances too."""
        instances = {unit["Id"] for name in self.brought if "@." in name for unit in self._loaded(name)}
        instances = {name for name in instances if "@probe." not in name}
        running_ones = self._active({name for name in {*self.brought, *instances} if "@." not in name})
        enabled = [name for name in self.states if {name, template(name)} & {*self.brought}]
        for name in sorted({*running_ones, *enabled}):
            if reason := self._needed(name, kinds=False):
                yield self.brought.get(name) or self.brought[template(name)], printable(name), reason

    def _programs(self, packages: list[str]) -> Iterator[tuple[str, str, str]]:
        """Units that stay, and run what a package has."""
        names = [name.replace("@.", "@probe.") for name in self.states if not self._goes(name)]
        shown = self._shown(names)
        run = {(unit["Id"], path) for unit in shown for path in started(unit.get("ExecStart", ""))}
        run |= {(unit, path) for unit, path in running() if not self._goes(unit)}
        owners = self.host.owners(sorted({path for _, path in run}))
        theirs = {package.partition(":")[0] for package in packages}
        for unit, path in sorted(run):
            package = owners.get(path, ("",))[0]
            if package in theirs:
                yield package, printable(unit), f"it stays, and runs {path}"

    def _goes(self, name: str) -> bool:
        return name in self.gone or template(name) in self.gone

    def _brought(self, packages: list[str]) -> dict[str, str]:
        """The units that packages bring, and of each its package."""
        found = {}
        for package in packages:
            code, out, _err = self.host.module.run_command(["dpkg-query", "-L", package])
            if code:  # apt leaves out the host's own architecture, and dpkg asks for it where there is another, too
                native = self.host.run("dpkg", "--print-architecture").strip()
                out = self.host.run("dpkg-query", "-L", f"{package}:{native}")
            found.update(dict.fromkeys(re.findall(BROUGHT, out), package.partition(":")[0]))
        return found

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
        blocks: list[dict[str, str]] = [{}]
        for line in out.split("\n"):
            key, between, value = line.partition("=")
            if not line:
                blocks.append({})
            elif between:  # a property of several values has a line for each
                blocks[-1][key] = f"{blocks[-1].get(key, '')} {value}".strip()
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

    def _needed(self, name: str, *, kinds: bool = True) -> str:
        """Return why the unit is kept, nothing where it can go."""
        return next(self._told(name, kinds=kinds), "")

    def _told(self, name: str, *, kinds: bool) -> Iterator[str]:
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
            if by := self._active(self._stopped_with(unit, name)):
                yield f"{', '.join(by)} would be stopped with it"
            if kinds and (also := [one for one in also_named(read(unit.get("FragmentPath", ""))) if self._stays(one)]):
                yield f"{', '.join(also)} would be disabled with it"

    def _stays(self, name: str) -> bool:
        """Whether a unit is allowed, or kept."""
        return allows(self.allowed, name) or name in self.reasons

    def _stopped_with(self, unit: dict[str, str], name: str) -> set[str]:
        """What systemd stops with a unit, and is to stay. Of its own kin stays only what is allowed or kept."""
        keys = ("RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf")
        others = {one for key in keys for one in unit.get(key, "").split()}
        others = {one for one in others if one in self.reasons or not self._goes(one)}
        return {one for one in others if stem(one) != stem(name) or self._stays(one)}

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
        # A package may have taken its own along, of which dpkg does not know.
        there = self._enabled()
        gone = [name for name in self.found if name not in there]
        names = self._running([name for name in self.found if name in there])
        if names and self.host.module.run_command(["systemctl", "stop", "--", *names])[0]:
            on = {*self._active({*names})}
            for name in [name for name in self.found if on & {*self._running([name])}]:
                self.found.remove(name)
                self.kept.append(f"{printable(name)} stays enabled: systemd does not stop it")
        for option in ((), ("--runtime",)):
            names = [
                name
                for name in self.found
                if name not in gone and self.states[name].endswith("-runtime") == bool(option)
            ]
            if names:
                self.host.run("systemctl", "disable", *option, "--", *names)
