"""By what somebody is logged in: nothing of it may be taken away."""

from __future__ import annotations

import contextlib
import os
import re

from ansible.module_utils.host_text import read

TUNNEL_DEVICE = "/dev/net/tun"
PROC, CGROUPS, SS = "/proc", "/sys/fs/cgroup", "/usr/bin/ss"


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
