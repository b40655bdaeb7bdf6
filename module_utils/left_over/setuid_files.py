"""Files that give whoever runs them another's rights. The verification looks for itself, in the same places."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DISKS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay")
# Where container engines keep the file systems of their images, whose programs are not the host's.
IMAGES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")
FIND_SECONDS = 90
NO_DISK = "no disk of a known kind is mounted"


class NotListedError(Exception):
    """The set-uid files could not be listed, and why."""


def local_disks(mountinfo: str) -> list[str]:
    """Return where the local disks are mounted that let programs change their user."""
    found = []
    for line in mountinfo.removesuffix("\n").split("\n"):
        before, between, after = line.partition(" - ")
        words = before.split(" ")
        if between and after.split(" ")[0] in DISKS and "nosuid" not in words[5].split(","):
            found.append(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
    return [place for place in found if not place.startswith(IMAGES)]


def folders(path: str) -> list[str]:
    """Return every folder above a path."""
    found = []
    while path != "/":
        path = os.path.dirname(path)
        found.append(path)
    return found


def is_shut(folder: str) -> bool:
    """Whether nobody but root gets into a folder."""
    state = os.lstat(folder)
    if state.st_uid != 0 or state.st_mode & 0o001 or (state.st_gid != 0 and state.st_mode & 0o010):
        return False
    return "system.posix_acl_access" not in os.listxattr(folder)


def is_out_of_reach(path: str) -> bool:
    """Whether root alone can reach a file, whom it gives nothing: in the images of containers, in copies of systems."""
    try:
        return any(is_shut(folder) for folder in folders(path))
    except OSError:  # it went meanwhile, or is on a disk that knows no such attributes
        return False


def is_roots(path: str) -> bool:
    """Whether nobody but root chooses what is at a path: all folders above it are root's, as those of packages are."""
    try:
        states = [os.lstat(folder) for folder in folders(path)]
    except OSError:
        return False
    return all(state.st_uid == 0 and not state.st_mode & 0o022 for state in states)


def other_root(path: str) -> str:
    """Return the root folder of another system in which a file is, as a chroot's or a copy's; empty for the host's."""
    names = ("etc/os-release", "usr/lib/os-release")
    above = [folder for folder in folders(path) if folder != "/" and is_roots(f"{folder}/etc")]
    return next((folder for folder in above if any(os.path.lexists(f"{folder}/{name}") for name in names)), "")


def same_files(paths: Iterable[str]) -> list[list[str]]:
    """Group the names of one and the same file, the shortest first: by hard links and mounts it may have several."""
    found: dict[object, list[str]] = {}
    for path in sorted(set(paths), key=lambda one: (len(one), one)):
        try:
            state = os.lstat(path)
            found.setdefault((state.st_dev, state.st_ino), []).append(path)
        except OSError:
            found[path] = [path]
    return list(found.values())


def setuid_files(mountinfo: str) -> list[list[str]]:
    """Return the files that give whoever runs them another's rights; of each one all its names.

    :raises NotListedError: they could not be listed.
    """
    places = local_disks(mountinfo)
    if not places:  # find would begin where it happens to be started
        raise NotListedError(NO_DISK)
    skipped = [word for path in IMAGES for word in ("-path", path, "-prune", "-o")]
    argv = ["find", *places, "-xdev", *skipped, "-type", "f", "-perm", "/6000", "-print0"]
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=FIND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotListedError(f"they could not be listed within {FIND_SECONDS} s") from error
    if done.returncode not in (0, 1):  # 1: a file went meanwhile
        raise NotListedError(f"find failed with code {done.returncode}")
    listed = [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]
    return same_files(path for path in listed if not is_out_of_reach(path))
