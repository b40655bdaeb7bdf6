"""What is backed up, opened without following a link and mounted for the sandbox to see."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import stat
from typing import Any

import locations
import mounts
import records
import trees
from failures import BackupError


def hold(order: dict[str, Any]) -> None:
    """Mount what is backed up where root alone gets in; the unit of the backup mounts it from there.

    Were it to mount the declared paths themselves, systemd would follow a link that the owner of a folder above one
    laid, to wherever it leads. Here is mounted what was opened without following any. Nor is a link followed below
    these mounts: restic opens files by their whole paths, and a folder that becomes a link while it reads would lead it
    to what else is in the sandbox, such as the files of another service.
    """
    os.makedirs(locations.HELD, mode=0o700, exist_ok=True)
    clear_held()
    place = locations.HELD.encode()
    mounts.call("mount", place, place, None, ctypes.c_ulong(mounts.MS_BIND), None)
    # What is mounted in it is for no namespace that is there already. One that is made meanwhile, as of a unit
    # with a sandbox, gets copies, and these end with the mounts here.
    mounts.call("mount", None, place, None, ctypes.c_ulong(mounts.MS_PRIVATE), None)
    mounts.call("mount", None, place, None, ctypes.c_ulong(mounts.MS_SHARED), None)
    refused = {}
    for path in order["sources"]:
        # The one that it lies in is enough. One mounted within it would be mounted by a path that its owner can bend.
        if any(path != other and trees.holds(other, path) for other in order["sources"]):
            continue
        try:
            handle = opened(path)
        except BackupError as error:
            refused[path] = str(error)
        except OSError as error:
            refused[path] = f"cannot be read: {error.strerror}"
        else:
            mounts.mount_opened(handle, place_of(path))
            os.close(handle)
    records.put(locations.REFUSED, json.dumps(refused))


def clear_held() -> None:
    """Take away what an earlier run left: its mounts, and then the empty places of these. Nothing that holds a file."""
    with contextlib.suppress(OSError):
        while True:
            mounts.call("umount2", locations.HELD.encode(), mounts.MNT_DETACH)
    for name in os.listdir(locations.HELD):
        place = f"{locations.HELD}/{name}"
        os.rmdir(place) if os.path.isdir(place) else os.unlink(place)


def place_of(path: str) -> str:
    """Where a source is mounted for the sandbox. The unit's template makes the same name of the path."""
    return f"{locations.HELD}/{hashlib.sha256(path.encode()).hexdigest()}"


def opened(path: str) -> int:
    """Open a file or a folder, part by part, and follow no link.

    Raises:
        BackupError: a part of the path is a link, or what it leads to can hold no content.
        OSError: it is not there.
    """
    handle, done = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), ""
    for part in filter(None, path.split("/")):
        above, done = handle, f"{done}/{part}"
        try:
            handle = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
        kind = os.fstat(handle).st_mode
        if not stat.S_ISDIR(kind) and (done != path or not stat.S_ISREG(kind)):
            os.close(handle)
            link = f"is not backed up: {done} is a link. Put the folder itself there, or declare the path it leads to"
            raise BackupError(link if stat.S_ISLNK(kind) else f"is not backed up: {done} is neither file nor folder")
    return handle
