#!/usr/bin/python
"""Purge what somebody installed, enabled or made set-uid, and nobody declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: purge_left_over
short_description: Purge what somebody installed, enabled or made set-uid, and nobody declared
description:
  - Purges packages that are marked as manually installed. Debian's own core (required, important, essential) and what
    O(allowed) names stay, and with them whatever they need or recommend, as apt itself judges it.
  - Refuses, and purges nothing, when apt would remove anything that is allowed along with them.
  - Then disables and stops enabled services, timers, sockets and paths that are not allowed, and takes the set-uid and
    set-gid bits off files that are not; of a file of a package by C(dpkg-statoverride), so that an upgrade brings none
    back. What a purged package brings goes with it.
  - A unit by which the present login came in, which the network, logins or an allowed unit may need, or which mounts
    something, is kept, and so is the package that brings such a one. So is a package on hold, a file of which an
    allowed one is another name, one in the root folder of another system, and one that cannot be changed. C(kept) says
    why.
  - All is judged before anything goes. Check mode tells what a run would do.
author: [holdfast]
options:
  allowed:
    description: What may be there. C(*) stands for any characters.
    type: dict
    required: true
    suboptions:
      packages: {description: Names of packages., type: list, elements: str, required: true}
      units: {description: Names of enabled units. Without the list units are not looked at., type: list, elements: str}
      setuid:
        description: Paths of set-uid and set-gid files. Without the list they are not looked at.
        type: list
        elements: str
  lock_seconds:
    description: Seconds to wait for another program that holds the lock of apt.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Purge what nobody declared
  purge_left_over:
    allowed:
      packages: [openssh-*, sudo, nftables, linux-image-*]
      units: [ssh.service, systemd-*, nftables.service]
      setuid: [/usr/bin/sudo, /usr/bin/passwd]
"""

RETURN = r"""
packages: {description: Packages that were purged., type: list, elements: str, returned: success}
units: {description: Units that were disabled and stopped., type: list, elements: str, returned: success}
setuid: {description: Files that are set-uid or set-gid no more., type: list, elements: str, returned: success}
kept: {description: "What is left over and stays, and why.", type: list, elements: str, returned: success}
says: {description: All of it in words. In check mode what would be done., type: list, elements: str, returned: success}
"""

import contextlib
import glob
import grp
import os
import pwd
import re
import shutil
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.left_over import (
    STATES,
    NotListedError,
    allows,
    enabled_instances,
    is_roots,
    matches,
    other_root,
    setuid_files,
    template,
)

GONE = "Remv|Purg"
BROUGHT = re.compile(r"(?m)^(?:/usr)?/lib/systemd/system/([^/\n]+\.[a-z]+)$")
MARKS = "/var/lib/apt/extended_states"
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
TUNNEL_DEVICE = "/dev/net/tun"
PROPERTIES = "Id,FragmentPath,Before,RequiredBy,BoundBy,RequisiteOf,ConsistsOf,Triggers,ControlGroup"
SETS = "/var/lib/holdfast/sets/*.json"
AT_ONCE = 100  # paths in one question to dpkg: more may be longer than a command line can be
PROC, CGROUPS, SS = "/proc", "/sys/fs/cgroup", "/usr/bin/ss"


def printable(text: str) -> str:
    """A name that a stranger may have chosen, for people."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class Host:
    """The host's own tools and their judgement, in English, without questions."""

    def __init__(self, module: AnsibleModule) -> None:
        """Work for a module."""
        self.module: Any = module
        module.run_command_environ_update = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

    def run(self, *argv: str) -> str:
        """Return what a command says; one that fails ends the module."""
        code, out, err = self.module.run_command([*argv])
        if code:
            self.module.fail_json(msg=f"nothing more was purged: {' '.join(argv[:3])}: {(err or out).strip()[-600:]}")
        return str(out)

    def owners(self, paths: list[str]) -> dict[str, tuple[str, str]]:
        """Return the package of each file that has one, and the path that the package has for it.

        A file in `/usr/lib` may be known by `/lib`, which is a link to it, and the other way round. What lies where
        others than root choose the names is no package's, and dpkg is not asked about it.
        """
        found: dict[str, tuple[str, str]] = {}
        paths = [path for path in paths if is_roots(path)]
        for some in (paths[first : first + AT_ONCE] for first in range(0, len(paths), AT_ONCE)):
            known = {}
            for path in some:
                known.update(dict.fromkeys({path, path.removeprefix("/usr"), f"/usr{path}"}, path))
            asked = [re.sub(r"([*?\[\]\\])", r"\\\1", path) for path in known]
            _code, out, _err = self.module.run_command(["dpkg-query", "-S", *asked])  # fails for what is nobody's
            for line in out.split("\n"):
                names, colon, path = line.partition(": ")
                if colon and path in known and not names.startswith("diversion "):
                    found[known[path]] = (names.split(", ")[0].partition(":")[0], path)
        return found


# --- packages ---------------------------------------------------------------------------------------------------------


class Packages:
    """apt's own judgement."""

    def __init__(self, host: Host, allowed: list[str]) -> None:
        """Find what is left over; end the module where its purge would take along what is to stay."""
        self.host, self.allowed = host, allowed
        out = host.run("dpkg-query", "-W", "-f", "${binary:Package}\t${db:Status-Status}\t${Priority}\t${Essential}\n")
        lines = [line.split("\t") for line in out.splitlines()]
        self.core = {one[0].partition(":")[0] for one in lines if {"required", "important", "yes"} & {*one[2:]}}
        self.stay = {one[0] for one in lines if one[1] == "installed" and self._stays(one[0])}
        self.asked = [name for name in host.run("apt-mark", "showmanual").split() if not self._stays(name)]
        held = {*host.run("apt-mark", "showhold").split()} if self.asked else set()
        self.kept = [f"{name} stays: it is on hold" for name in self.asked if name in held]
        self._find()

    def _find(self) -> None:
        self.found = self._unneeded(self.asked) if self.asked else []
        self.gone = self._would(GONE, "purge", *self.found) if self.found else []
        self._refuse()

    def keep(self, obstacles: list[tuple[str, str, str]]) -> None:
        """Keep the packages with which units would go that are not taken away unasked: (package, unit, reason)."""
        kept = {}
        for name in self.found:
            along = {one.partition(":")[0] for one in self._would(GONE, "purge", name)}
            if why := next((f"{unit}: {reason}" for package, unit, reason in obstacles if package in along), ""):
                kept[name] = why
        # What only several of them take along together, each of them does.
        for name, why in (kept or dict.fromkeys(self.found, ": ".join(obstacles[0][1:]))).items():
            self.asked.remove(name)
            self.stay.add(name)
            self.kept.append(f"{name} stays: with it would go {why}")
        self._find()

    def _stays(self, name: str) -> bool:
        """Whether it is Debian's own core, or allowed."""
        bare = name.partition(":")[0]
        return bare in self.core or matches(bare, self.allowed)

    def _would(self, what: str, *argv: str) -> list[str]:
        """Packages that a call of apt-get would install (Inst) or remove (Remv|Purg)."""
        return re.findall(rf"(?m)^(?:{what}) (\S+)", self.host.run("apt-get", "-s", "-q", *argv))

    def _unneeded(self, names: list[str]) -> list[str]:
        """Those of the packages that nothing which stays needs; tried on a copy of apt's marks.

        What is allowed stays by itself, also where it once came along with something.
        """
        copy = os.path.join(self.host.module.tmpdir, "extended_states")
        if os.path.exists(MARKS):
            shutil.copyfile(MARKS, copy)
        else:
            open(copy, "w").close()
        option = f"Dir::State::extended_states={copy}"
        self.host.run("apt-mark", "-o", option, "manual", *sorted(self.stay))
        self.host.run("apt-mark", "-o", option, "auto", *names)
        gone = set(self._would(GONE, "-o", option, "-o", "APT::AutoRemove::SuggestsImportant=false", "autoremove"))
        return [name for name in names if name in gone]

    def _refuse(self) -> None:
        new = self._would("Inst", "purge", *self.found) if self.found else []
        kept = sorted(name for name in self.gone if name not in self.found and self._stays(name))
        found = ", ".join(self.found)
        if new:
            self.host.module.fail_json(
                msg=f"Nothing was purged: in place of {found} apt would install {', '.join(new)}. "
                "Allow one of them in policy.base.packages."
            )
        if kept:
            self.host.module.fail_json(
                msg=f"Nothing was purged: with {found} apt would remove {', '.join(kept)}, which is to stay. "
                "Allow what it needs in policy.base.packages."
            )

    def purge(self, lock_seconds: int) -> None:
        """Let apt purge them."""
        self.host.run("apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={lock_seconds}", "purge", *self.found)


# --- units ------------------------------------------------------------------------------------------------------------


def read(path: str) -> str:
    """Return a file's text, nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as handle:
            return handle.read()
    except OSError:
        return ""


def lineage() -> tuple[set[str], set[str]]:
    """Return the units that this process came through, as sshd's, and the programs: by them somebody is logged in."""
    units, programs = set(), set()
    pid = os.getpid()
    while pid > 1:
        units |= set(re.findall(r"/([^/\n]+\.(?:service|scope|socket))(?=[/\n])", read(f"{PROC}/{pid}/cgroup")))
        with contextlib.suppress(OSError):  # it has ended
            programs.add(os.readlink(f"{PROC}/{pid}/exe"))
        fields = read(f"{PROC}/{pid}/stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return units, programs


def stem(unit: str) -> str:
    """What a service, its template, its socket and its timer have in common."""
    return unit.rpartition(".")[0].partition("@")[0]


def also_named(text: str) -> list[str]:
    """Return what a unit's file has disabled along with it."""
    return [name for line in re.findall(r"(?m)^Also=(.*)$", text) for name in line.split()]


def holds_a_tunnel(group: str) -> bool:
    """Whether a process in a unit's control group has the device of tunnels open, as VPNs do."""
    if group in ("", "/"):
        return False
    for folder, _folders, _files in os.walk(f"{CGROUPS}{group}"):
        for pid in read(f"{folder}/cgroup.procs").split():
            try:
                names = os.listdir(f"{PROC}/{pid}/fd")
            except OSError:
                continue
            if any(os.path.realpath(f"{PROC}/{pid}/fd/{name}") == TUNNEL_DEVICE for name in names):
                return True
    return False


def carriers(listed: str) -> set[str]:
    """Return the control groups that hold the other end of a connection of sshd: they pass a login on to it.

    :param listed: what `ss -Htne state established` shows.
    """
    ends = {}
    for line in listed.split("\n"):
        words, group = line.split(), re.search(r" cgroup:(/\S*)", line)
        if len(words) > 3 and group:
            local, peer = (re.sub(r"^\[::ffff:([0-9.]+)\]", r"\1", word) for word in words[2:4])
            ends[local, peer] = group[1]
    sshd = {end for end, group in ends.items() if re.search(r"/(ssh[^/]*\.service|session-[^/]*\.scope)", group)}
    return {group for (local, peer), group in ends.items() if (peer, local) in sshd and (local, peer) not in sshd}


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
        if kinds and not name.endswith(KINDS):
            return "it is no service, timer, socket or path"
        if matches(name, NEVER):
            return "logins, or holdfast itself, stand on it"
        if stem(name) in self.here:
            return "this very run came in through it"
        if matches(name, TUNNELS):
            return "a login may come in through it"
        if matches(name, MOUNTING):
            return "it may mount what others need"
        for unit in [*self._loaded(name), *self._shown(self._started(name))]:
            if matches(unit["Id"], NEVER):
                return f"it starts {unit['Id']}"
            if GROUND & self._comes_after(unit):
                return "disks, the network or logins may need it, which come after it"
            if self._carries(unit.get("ControlGroup", "")):
                return "it holds a tunnel or passes connections on to sshd, and a login may come in through that"
            if by := self._active(self._stopped_with(unit, name, gone)):
                return f"{', '.join(by)} would be stopped with it"
            if kinds and (
                also := [one for one in also_named(read(unit.get("FragmentPath", ""))) if allows(self.allowed, one)]
            ):
                return f"{', '.join(also)} would be disabled with it"
        return ""

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


# --- set-uid files ----------------------------------------------------------------------------------------------------


def owner_of(state: os.stat_result) -> tuple[str, str]:
    """Return the user and the group of a file as dpkg-statoverride takes them."""
    try:
        user = pwd.getpwuid(state.st_uid).pw_name
    except KeyError:
        user = f"#{state.st_uid}"
    try:
        group = grp.getgrgid(state.st_gid).gr_name
    except KeyError:
        group = f"#{state.st_gid}"
    return user, group


class SetUid:
    """Files that give whoever runs them another's rights."""

    def __init__(self, host: Host, allowed: list[str], without: set[str]) -> None:
        """Find what is left over. What the packages ``without`` bring goes with them."""
        self.host = host
        self.kept: list[str] = []
        # A file of several names is allowed by one: by a mount of another folder the bit would go off sudo itself.
        found = [names[0] for names in self._listed() if not any(matches(printable(name), allowed) for name in names)]
        self.owners = host.owners(found) if found else {}
        programs = lineage()[1] if found else set()
        self.found = []
        for path in found:
            root = other_root(path)
            if path in programs:
                self.kept.append(f"{printable(path)} stays set-uid: this very run came in through it")
            elif root:
                self.kept.append(
                    f"{printable(path)} stays set-uid: {printable(root)} is the root folder of another system"
                )
            elif self.owners.get(path, ("",))[0] not in without:
                self.found.append(path)

    def _listed(self) -> list[list[str]]:
        try:
            found: list[list[str]] = setuid_files(read(f"{PROC}/self/mountinfo"))
        except NotListedError as error:
            self.kept.append(f"set-uid files were not looked at: {error}")
            return []
        return found

    def take_off(self) -> None:
        """Take the bits off; what cannot be changed is kept."""
        for path in [*self.found]:
            try:
                if path in self.owners:
                    self._override(path)
                else:
                    self._change(path)
            except OSError as error:
                self.found.remove(path)
                self.kept.append(f"{printable(path)} stays set-uid: {error.strerror}")

    def _override(self, path: str) -> None:
        state = os.lstat(path)
        mode = f"{stat.S_IMODE(state.st_mode) & 0o1777:04o}"
        force = "--force-statoverride-add"  # somebody's own for this file is replaced
        add = ["dpkg-statoverride", force, "--update", "--add", *owner_of(state), mode, self.owners[path][1]]
        code, out, err = self.host.module.run_command(add)
        if code:
            raise OSError(code, " ".join((err or out).split())[-300:])

    @staticmethod
    def _change(path: str) -> None:
        """Take the bits off the very file that was found: its folder may be a stranger's, and lead elsewhere by now."""
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.readlink(f"/proc/self/fd/{handle}") != path:
                raise OSError(0, "it is another file by now")
            os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & 0o1777)
        finally:
            os.close(handle)


def main() -> None:
    """Run as a module."""
    names = {"type": list, "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "allowed": {
                "type": dict,
                "required": True,
                "options": {"packages": {**names, "required": True}, "units": names, "setuid": names},
            },
            "lock_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    allowed, real = module.params["allowed"], not module.check_mode
    host = Host(module)
    packages = Packages(host, allowed["packages"])
    # All is judged before anything goes, so that check mode tells what a run does.
    while True:
        purged = sorted({*packages.found, *packages.gone})
        units = Units(host, ["*"] if allowed["units"] is None else allowed["units"], purged)
        if not units.obstacles:
            break
        packages.keep(units.obstacles)
    without = {name.partition(":")[0] for name in purged}
    files = SetUid(host, allowed["setuid"], without) if allowed["setuid"] is not None else None
    if real and packages.found:
        packages.purge(module.params["lock_seconds"])
    if real and units.found:
        units.disable()
    if real and files:
        files.take_off()

    result = {
        "packages": purged,
        "units": sorted(printable(name) for name in units.found),
        "setuid": sorted(printable(path) for path in files.found) if files else [],
        "kept": [*packages.kept, *units.kept, *(files.kept if files else [])],
    }
    words = {
        "packages": ("would purge", "purged"),
        "units": ("would disable and stop", "disabled and stopped"),
        "setuid": ("would take the set-uid and set-gid bits off", "took the set-uid and set-gid bits off"),
    }
    says = [f"{words[part][real]} {', '.join(result[part])}" for part in words if result[part]]
    module.exit_json(changed=bool(says), says=says + result["kept"], **result)


if __name__ == "__main__":
    main()
