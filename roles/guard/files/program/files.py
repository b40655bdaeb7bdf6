"""Files of a commit: what differs, a twin beside each old one, swap and restore by renames.

The twin is a second hard link, so going back is one rename: exact inode, mode, owner and time, and no room is
needed on a full disk. Names that begin with a dot and do not end in .conf are ignored by every include directory.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import grp
import hashlib
import os
import pwd
import stat
from typing import Any

import places
from host import GuardError, sync_directory, unlink

TWIN = ".guard-old"
FRESH = ".guard-new"
ROOM = ".guard-room"  # blocks taken beforehand, so that a revert that has to write can do so on a full disk


def twin_of(path: str) -> str:
    """Where the old file waits while the guard is armed."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}{TWIN}"


def fresh_of(path: str) -> str:
    """Where the new file waits for the swap."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}{FRESH}"


def read(path: str) -> bytes | None:
    """Content of a regular file; None when there is nothing or something else (a link, a directory)."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open(path, "rb") as handle:
            return handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def digest(data: bytes) -> str:
    """SHA-256 of some content, in hex."""
    return hashlib.sha256(data).hexdigest()


def content_of(entry: dict[str, Any]) -> bytes:
    """Content that an entry asks for: sent along, or lying ready on the host."""
    if entry.get("from_host"):
        data = read(entry["from_host"])
        if data is None:
            raise GuardError(f"{entry['path']}: {entry['from_host']}, which should become it, is not there")
        return data
    return base64.b64decode(entry["data"])


def owner_of(entry: dict[str, Any]) -> tuple[int, int]:
    """Numeric owner and group of an entry."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError as error:
        raise GuardError(f"{entry['path']}: {error.args[0]}") from error


def is_owned(entry: dict[str, Any]) -> bool:
    """Whether a file that is there has the mode and the owners that its entry asks for."""
    now = os.lstat(entry["path"])
    return stat.S_IMODE(now.st_mode) == entry["mode"] and (now.st_uid, now.st_gid) == owner_of(entry)


def differing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries whose place on the host differs in kind, content, owner or mode; each gains `bytes` and `old`.

    So does a file of tmpfiles.d of whose directories one has strayed; that is told in `strayed`.
    """
    found = []
    for entry in entries:
        entry["bytes"], entry["old"] = content_of(entry), read(entry["path"])
        if entry["old"] is None or entry["old"] != entry["bytes"]:
            found.append(entry)
            continue
        entry["strayed"] = places.strayed(entry["path"], entry["bytes"])
        if not is_owned(entry) or entry["strayed"]:
            found.append(entry)
    return found


def undeclared(patterns: list[str], entries: list[dict[str, Any]]) -> list[str]:
    """Files within what the commit owns that nobody declares any more."""
    declared = {entry["path"] for entry in entries}
    found = {path for pattern in patterns for path in glob.glob(pattern) if path not in declared}
    return sorted(path for path in found if not os.path.isdir(path) or os.path.islink(path))


def write_fresh(path: str, data: bytes, uid: int, gid: int, mode: int) -> None:
    """Write a file completely and durably; its name goes live by a rename later."""
    unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
    except OSError as error:
        error.filename = path  # a full disk does not say which one it is
        raise


def make_parent(path: str) -> list[str]:
    """Create the missing directories above a path; return them, outermost first."""
    made: list[str] = []
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        made.insert(0, parent)
        parent = os.path.dirname(parent)
    for directory in made:
        os.mkdir(directory, 0o755)
        os.chmod(directory, 0o755)
    return made


def save_twin(path: str, instead: bytes | None = None) -> str:
    """Keep the old file for a revert; return how: `twin`, or `absent` when there is none.

    ``instead`` replaces its content where something in it may not come back (a revoked key).
    """
    twin = twin_of(path)
    unlink(twin)
    if not os.path.lexists(path):
        return "absent"
    if instead is None:
        os.link(path, twin, follow_symlinks=False)
    else:
        old = os.lstat(path)
        write_fresh(twin, instead, old.st_uid, old.st_gid, stat.S_IMODE(old.st_mode))
        os.utime(twin, ns=(old.st_atime_ns, old.st_mtime_ns))
    return "twin"


def sweep(directories: set[str]) -> None:
    """Remove what a run that was killed before it was armed left beside the files."""
    for directory in directories:
        for suffix in (TWIN, FRESH, ROOM):
            for path in glob.glob(f"{glob.escape(directory)}/.*{suffix}"):
                unlink(path)


def restore(saved: dict[str, str], made: list[str]) -> list[str]:
    """Put every file back; may be repeated after being killed anywhere. Return the problems met."""
    problems = []
    directories = set()
    for path, how in saved.items():
        twin = twin_of(path)
        try:
            unlink(fresh_of(path))
            if how in ("absent", "final"):
                unlink(path)
            elif os.path.lexists(twin):
                if os.path.lexists(path) and os.path.samestat(os.lstat(twin), os.lstat(path)):
                    os.unlink(twin)  # not swapped yet: a rename between two links of one inode would do nothing
                else:
                    os.rename(twin, path)
        except OSError as error:
            problems.append(f"{path}: {error}")
        if os.path.isdir(os.path.dirname(path)):
            directories.add(os.path.dirname(path))
    for directory in directories:
        sync_directory(directory)
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return problems
