"""What the account of a service owns, or may own, for as long as which nobody else may get its number."""

from __future__ import annotations

import os
import pwd
import re

import calling

PROC = "/proc"
TIMED_OUT = 124
FAR = {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "afs", "lustre"}  # and what FUSE shows


def account_is_ours(name: str) -> bool:
    """Whether the account was made for a service, and not by a package of that name."""
    try:
        return pwd.getpwnam(name).pw_gecos == "holdfast-service"
    except KeyError:
        return False


def filesystems() -> tuple[list[str], list[str]]:
    """Return where files of accounts may lie: mounts to be searched, and those of other machines, with their kinds."""
    with open(f"{PROC}/filesystems", encoding="ascii") as handle:
        disks = {line.strip() for line in handle if not line.startswith("nodev")} | {"tmpfs", "zfs"}
    # What an overlay shows lies on another filesystem, save the root of a container.
    searched, far = {("", ""): "/"}, []
    # The kernel quotes blanks and line feeds in names, and nothing else that Python would part lines or words at.
    with open(f"{PROC}/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        for line in handle:
            mount, _, source = line.partition(" - ")
            device, root, quoted = mount.split(" ")[2:5]
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), quoted)
            kind = source.split(" ")[0]
            if kind in disks and point != "/":
                searched.setdefault((device, root), point)
            elif kind in FAR or (kind.split(".")[0] == "fuse" and kind != "fuse.lxcfs"):  # a container's own figures
                far.append(f"{point} ({kind})")
    return list(searched.values()), far


def belongings(name: str, seconds: int) -> str:
    """Return in words why the account has to stay: what it owns, or may own; empty when that is nothing."""
    uid = pwd.getpwnam(name).pw_uid
    shared = f"/srv/{name}/shared"
    if os.path.isdir(shared) and os.listdir(shared):
        return f"it owns {shared}"
    places, far = filesystems()
    sought = ["-xdev", "-ignore_readdir_race", "-uid", str(uid), "!", "-path", shared, "-print", "-quit"]
    code, text = calling.run("timeout", str(seconds), "find", *places, *sought)
    if code == TIMED_OUT:
        return f"it may own something: {seconds} s were too short to search {' '.join(places)}"
    if text:
        return f"it may own something: {text}" if code else f"it owns {text}"
    return f"it may own something in what is not searched: {', '.join(far)}" if far else ""
