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
    something, is kept, and so is a file that cannot be changed. C(kept) says why.
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
import fnmatch
import glob
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule

GONE = "Remv|Purg"
MARKS = "/var/lib/apt/extended_states"
# As verify lists them (verify/remote/ground.py).
STATES = "enabled,enabled-runtime,linked,linked-runtime"
LINKS = tuple(f"/{top}/systemd/system/*.{kind}/*@?*.*" for top in ("etc", "run") for kind in ("wants", "requires"))
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
DISKS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay")
IMAGES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")
FIND_SECONDS = 90
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
# A login may come through them, and they are ordered before nothing. Others hold the device of tunnels.
TUNNELS = ("wg-quick@*", "*vpn*", "tailscaled*", "zerotier*", "*strongswan*", "*ipsec*")
TUNNEL_DEVICE = "/dev/net/tun"
PROPERTIES = "Id,FragmentPath,Before,RequiredBy,BoundBy,RequisiteOf,Triggers,ControlGroup"
SETS = "/var/lib/holdfast/sets/*.json"
PROC, CGROUPS, SS = "/proc", "/sys/fs/cgroup", "/usr/bin/ss"


def matches(name: str, patterns: list[str] | tuple[str, ...]) -> bool:
    """Whether a name is one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


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

        A file in `/usr/lib` may be known by `/lib`, which is a link to it, and the other way round.
        """
        known = {}
        for path in paths:
            known.update(dict.fromkeys({path, path.removeprefix("/usr"), f"/usr{path}"}, path))
        found: dict[str, tuple[str, str]] = {}
        if not known:
            return found
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
        self.host = host
        self.core = self._core()
        asked = [name for name in host.run("apt-mark", "showmanual").split() if not self._stays(name, allowed)]
        self.found = self._unneeded(asked) if asked else []
        self.gone = self._would(GONE, "purge", *self.found) if self.found else []
        self._refuse(allowed)

    def _core(self) -> set[str]:
        """Packages without which Debian is none."""
        out = self.host.run("dpkg-query", "-W", "-f", "${Package} ${Priority} ${Essential}\n")
        words = (line.split() for line in out.splitlines())
        return {one[0] for one in words if {"required", "important", "yes"} & {*one[1:]}}

    def _stays(self, name: str, allowed: list[str]) -> bool:
        bare = name.partition(":")[0]
        return bare in self.core or matches(bare, allowed)

    def _would(self, what: str, *argv: str) -> list[str]:
        """Packages that a call of apt-get would install (Inst) or remove (Remv|Purg)."""
        return re.findall(rf"(?m)^(?:{what}) (\S+)", self.host.run("apt-get", "-s", "-q", *argv))

    def _unneeded(self, names: list[str]) -> list[str]:
        """Those of the packages that nothing else needs; tried on a copy of apt's marks."""
        copy = os.path.join(self.host.module.tmpdir, "extended_states")
        if os.path.exists(MARKS):
            shutil.copyfile(MARKS, copy)
        else:
            open(copy, "w").close()
        option = f"Dir::State::extended_states={copy}"
        self.host.run("apt-mark", "-o", option, "auto", *names)
        gone = set(self._would(GONE, "-o", option, "-o", "APT::AutoRemove::SuggestsImportant=false", "autoremove"))
        return [name for name in names if name in gone]

    def _refuse(self, allowed: list[str]) -> None:
        new = self._would("Inst", "purge", *self.found) if self.found else []
        kept = sorted(name for name in self.gone if name not in self.found and self._stays(name, allowed))
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


def template(unit: str) -> str:
    """The template of an instance, of another unit its own name."""
    return re.sub(r"@.*\.", "@.", unit)


def enabled_instances() -> dict[str, str]:
    """Return the state of each enabled instance: systemd lists its template, and that as "indirect"."""
    paths = [path for place in LINKS for path in glob.glob(place)]
    states = {os.path.basename(path): "enabled-runtime" if path.startswith("/run") else "enabled" for path in paths}
    # A package that has gone leaves links behind, and systemd starts nothing of another name.
    there = {name for name in states for place in UNIT_FOLDERS if os.path.exists(f"{place}/{template(name)}")}
    return {name: states[name] for name in sorted(there) if re.fullmatch(r"[A-Za-z0-9:_.@\\-]+", name)}


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
    """What systemd starts by itself."""

    def __init__(self, host: Host, allowed: list[str], without: set[str]) -> None:
        """Find what is left over and can go. What the packages ``without`` bring goes with them."""
        self.host, self.allowed = host, allowed
        self.kept: list[str] = []
        out = host.run("systemctl", "list-unit-files", "--no-legend", "--plain", f"--state={STATES}")
        self.states = {one[0]: one[1] for one in (line.split() for line in out.splitlines()) if len(one) > 1}
        self.states |= {name: state for name, state in enabled_instances().items() if template(name) not in self.states}
        found = [name for name in self.states if not (matches(name, allowed) or matches(template(name), allowed))]
        self.loaded = {name: self._loaded(name) for name in found}
        paths = {name: loaded[-1].get("FragmentPath", "") for name, loaded in self.loaded.items() if loaded}
        owners = host.owners([path for path in paths.values() if path])
        here = {stem(unit) for unit in lineage()[0]}
        self.carriers = carriers(host.module.run_command([SS, "-Htne", "state", "established"])[1]) if found else set()
        # A unit of a service that was removed: its role ends it in order.
        ours = "".join(read(path) for path in glob.glob(SETS))
        found = [name for name in found if f'"{paths.get(name)}"' not in ours]
        left = [name for name in found if owners.get(paths.get(name, ""), ("",))[0] not in without]
        self.found = []
        for name in left:
            reason = self._needed(name, here, set(left))
            if reason:
                self.kept.append(f"{printable(name)} stays enabled: {reason}")
            else:
                self.found.append(name)

    def _loaded(self, name: str) -> list[dict[str, str]]:
        """What systemd knows of the unit; of a template, of all its instances, and of one that nobody runs."""
        names = [name]
        if "@." in name:
            pattern = name.replace("@.", "@*.")
            out = self.host.run("systemctl", "list-units", "--all", "--no-legend", "--plain", "--full", pattern)
            names = [*(line.split()[0] for line in out.splitlines() if line.strip()), name.replace("@.", "@probe.")]
        return self._shown(names)

    def _shown(self, names: list[str]) -> list[dict[str, str]]:
        out = self.host.run("systemctl", "show", "--property", PROPERTIES, "--", *names) if names else ""
        blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in out.split("\n\n")]
        return [block for block in blocks if block.get("Id")]

    def _started(self, name: str) -> list[str]:
        """What a socket has started, or would, and is stopped with it."""
        sockets = self.loaded[name] if name.endswith(".socket") else []
        started = [one for unit in sockets for one in unit.get("Triggers", "").split()]
        return [one for one in started if not matches(one, self.allowed)]

    def _needed(self, name: str, here: set[str], left: set[str]) -> str:
        """Return why the unit is kept, nothing where it can go."""
        if not name.endswith(KINDS):
            return "it is no service, timer, socket or path"
        if matches(name, NEVER):
            return "logins, or holdfast itself, stand on it"
        if stem(name) in here:
            return "this very run came in through it"
        if matches(name, TUNNELS):
            return "a login may come in through it"
        for unit in [*self.loaded[name], *self._shown(self._started(name))]:
            if matches(unit["Id"], NEVER):
                return f"it starts {unit['Id']}"
            if GROUND & {*unit.get("Before", "").split()}:
                return "disks, the network or logins may need it, which come after it"
            group = unit.get("ControlGroup", "")
            if holds_a_tunnel(group) or (group and any(f"{one}/".startswith(f"{group}/") for one in self.carriers)):
                return "it holds a tunnel or passes connections on to sshd, and a login may come in through that"
            others = {one for key in ("RequiredBy", "BoundBy", "RequisiteOf") for one in unit.get(key, "").split()}
            by = self._active({one for one in others if one not in left and stem(one) != stem(name)})
            if by:
                return f"{', '.join(by)} would be stopped with it"
        return ""

    def _active(self, names: set[str]) -> list[str]:
        """Those of the units that run."""
        if not names:
            return []
        _code, out, _err = self.host.module.run_command(["systemctl", "is-active", "--", *sorted(names)])
        return [name for name, state in zip(sorted(names), out.split(), strict=False) if state == "active"]

    def running(self) -> list[str]:
        """Names of what is stopped with the units: instances, and what a socket has started."""
        found = {}
        for name in self.found:
            found.update(dict.fromkeys([*(unit["Id"] for unit in self.loaded[name]), *self._started(name)]))
        return [name for name in found if "@probe." not in name]

    def disable(self) -> None:
        """Disable and stop them."""
        for option in ((), ("--runtime",)):
            names = [name for name in self.found if self.states[name].endswith("-runtime") == bool(option)]
            if names:
                self.host.run("systemctl", "disable", *option, "--", *names)
        if running := self.running():
            self.host.run("systemctl", "stop", "--", *running)


# --- set-uid files ----------------------------------------------------------------------------------------------------


def local_disks(mountinfo: str) -> list[str]:
    """Places of the local disks that let programs change their user."""
    found = []
    for line in mountinfo.removesuffix("\n").split("\n"):
        before, between, after = line.partition(" - ")
        words = before.split(" ")
        if between and after.split(" ")[0] in DISKS and "nosuid" not in words[5].split(","):
            found.append(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
    return [place for place in found if not place.startswith(IMAGES)]


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
        found = [path for path in self._listed() if not matches(printable(path), allowed)]
        self.owners = host.owners(found) if found else {}
        programs = lineage()[1] if found else set()
        self.found = []
        for path in found:
            if path in programs:
                self.kept.append(f"{printable(path)} stays set-uid: this very run came in through it")
            elif self.owners.get(path, ("",))[0] not in without:
                self.found.append(path)

    def _listed(self) -> list[str]:
        skipped = [word for path in IMAGES for word in ("-path", path, "-prune", "-o")]
        places = local_disks(read(f"{PROC}/self/mountinfo"))
        if not places:  # find would begin where this module happens to run
            self.kept.append("set-uid files were not looked at: no disk of a known kind is mounted")
            return []
        argv = ["find", *places, "-xdev", *skipped, "-type", "f", "-perm", "/6000", "-print0"]
        try:
            done = subprocess.run(argv, capture_output=True, check=False, timeout=FIND_SECONDS)
        except subprocess.TimeoutExpired:
            self.kept.append(f"set-uid files were not looked at: they could not be listed within {FIND_SECONDS} s")
            return []
        return sorted({os.fsdecode(path) for path in done.stdout.split(b"\0") if path})

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
        self.host.run(*add)

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
    purged = sorted({*packages.found, *packages.gone})
    if real and packages.found:
        packages.purge(module.params["lock_seconds"])
    without = {name.partition(":")[0] for name in purged}
    units = Units(host, allowed["units"], without) if allowed["units"] is not None else None
    if real and units and units.found:
        units.disable()
    files = SetUid(host, allowed["setuid"], without) if allowed["setuid"] is not None else None
    if real and files:
        files.take_off()

    result = {
        "packages": purged,
        "units": sorted(printable(name) for name in units.found) if units else [],
        "setuid": [printable(path) for path in files.found] if files else [],
        "kept": [*(units.kept if units else []), *(files.kept if files else [])],
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
