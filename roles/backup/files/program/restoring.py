"""Files brought back, to where nobody else can lay a link into the way."""

from __future__ import annotations

import os
import re
import stat
from typing import Any

import restic
import snapshots
import trees
import wording
from failures import BackupError


def restore(order: dict[str, Any], path: str, to: str, snapshot: str, *, only_list: bool) -> None:
    """Bring a path of a snapshot back into a directory of its own, under its whole path, with owners and modes.

    Raises:
        BackupError: the directory holds something, or is not root's alone, or the snapshot has no such path, or restic
            failed.
    """
    path, to = path.rstrip("/"), to.rstrip("/")
    if not path.startswith("/") or not to.startswith("/"):
        raise BackupError("write both `path` and `to` as absolute paths")
    to_make = look_at_target(to)
    # Not restic's own `latest`: that may be one of the future, and older than others.
    chosen = snapshots.of_host(order, *([] if snapshot == "latest" else [snapshot]))
    if not chosen:
        raise BackupError(f"the repository has no snapshot {snapshot} of this host")
    found = chosen[-1]
    told = wording.each_parsed(restic.must(order, restic.UNLOCKED, "ls", "--json", "--recursive", found["id"], path))
    nodes = [node for node in told if node.get("struct_type") == "node" and trees.holds(path, node["path"])]
    if not nodes:
        raise BackupError(
            f"snapshot {found['short_id']} of {found['time'][:16]} has no {path}; it has {', '.join(found['paths'])}"
        )
    size = sum(node.get("size", 0) for node in nodes if node["type"] == "file")
    count = f"{len(nodes)} entries" if len(nodes) > 1 else "1 entry"
    what = f"{count}, {size} bytes, of snapshot {found['short_id']} of {found['time'][:16]}"
    if only_list:
        print(f"would restore {what} to {to}{path}")
        shown = [f"{node['uid']}:{node['gid']} {node.get('size', 0)} {wording.plain(node['path'])}" for node in nodes]
    else:
        make_target(to, to_make)
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", path)
        restic.must(order, restic.UNLOCKED, "restore", found["id"], "--target", to, "--include", pattern, "--verify")
        came = compare(f"{to}{path}", to, [node["path"] for node in nodes])
        print(f"restored {what} to {to}{path}")
        if len(came) < len(nodes):
            unnamed = len(nodes) - len(came)
            print(f"{unnamed} of them cannot be compared by name, which is not UTF-8; their number is right")
        shown = [described(name) for name in came]
    print("\n".join(shown[: wording.SHOWN]))
    if len(shown) > wording.SHOWN:
        print(f"and {len(shown) - wording.SHOWN} more")


def look_at_target(to: str) -> list[str]:
    """Return which directories are to be made for `to`, the uppermost first.

    Root writes there under names that a snapshot gives. Who can change a directory above could lay a link into the way.

    Raises:
        BackupError: somebody else could, or it is there and no empty directory.
    """
    parts = to.split("/")[1:]
    if not {"", ".", ".."}.isdisjoint(parts):
        raise BackupError(f"write {to} without empty parts and without . and ..")
    paths = ["/" + "/".join(parts[:number]) for number in range(len(parts) + 1)]
    for number, path in enumerate(paths):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return paths[number:]
        # Where everybody may make something and nobody may move what others made, a new one is as good as elsewhere.
        new = found.st_mode & stat.S_ISVTX and path != to and not os.path.lexists(paths[number + 1])
        wrong = (
            ("is no directory" if path == to else "is a link or no directory") if not stat.S_ISDIR(found.st_mode)
            else f"belongs to the account {found.st_uid}, not to root" if found.st_uid
            else "can be changed by others than root" if found.st_mode & 0o022 and not new
            else ""
        )  # fmt: skip
        if wrong:
            raise BackupError(f"{path} {wrong}, so nothing is restored into {to}: choose another, as /var/restore/NEW")
    if os.listdir(to):
        raise BackupError(f"{to} is there and not an empty directory: choose another")
    return []


def make_target(to: str, missing: list[str]) -> None:
    """Make the directory that is restored into; nobody but root gets into it, whatever lies in it.

    Raises:
        BackupError: somebody else was quicker.
    """
    for path in missing:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise BackupError(f"{path} was made by somebody else meanwhile: choose another") from None
    os.chmod(to, 0o700)


def compare(top: str, to: str, paths: list[str]) -> list[str]:
    """Return where what was to come back is, but for what has no name that restic can tell.

    Raises:
        BackupError: something did not come back.
    """
    came = [f"{to}{path}" for path in paths if os.path.lexists(f"{to}{path}")]
    missing = [path for path in paths if wording.UNKNOWN not in path and not os.path.lexists(f"{to}{path}")]
    if missing:
        raise BackupError("these did not come back:\n" + "\n".join(map(wording.plain, missing[: wording.SHOWN])))
    if len(came) < len(paths):
        there = 1 + sum(len(folders) + len(files) for _, folders, files in os.walk(top, onerror=trees.refuse))
        if there < len(paths):
            raise BackupError(f"of {len(paths)} entries {there} came back; the names of the others are not UTF-8")
    return came


def described(path: str) -> str:
    """Owner, mode, size and name of what lies at a path."""
    found = os.lstat(path)
    return f"{found.st_uid}:{found.st_gid} {stat.filemode(found.st_mode)} {found.st_size} {wording.plain(path)}"
