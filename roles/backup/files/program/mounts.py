"""Mounts by system calls for which Python has no names: links in them are followed by nobody."""

from __future__ import annotations

import ctypes
import os
import stat
from typing import Any

# Of mount(2), open_tree(2), mount_setattr(2), move_mount(2) and statvfs(3).
MS_BIND, MS_PRIVATE, MS_SHARED, MNT_DETACH = 0x1000, 0x40000, 0x100000, 2
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = 1, 4, -100, 0x1000, 0x8000
RDONLY, NOSUID, NODEV, NOEXEC, NOSYMFOLLOW = 1, 2, 4, 8, 0x200000  # MOUNT_ATTR_…
ST_NOSYMFOLLOW = 0x2000


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that Python does not know, and return what it returns.

    Raises:
        OSError: it failed.
    """
    returned = int(getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments))
    if returned < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return returned


def mount_opened(handle: int, place: str) -> None:
    """Mount what is open, with what is mounted below it, read-only and so that no link in it is followed."""
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.mkdir(place, 0o700)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    # Made before it is seen anywhere. Private: what ends below one of these mounts would end in its original, too.
    how = (ctypes.c_uint64 * 4)(RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW, 0, MS_PRIVATE, 0)
    tree = call("syscall", OPEN_TREE, handle, b"", OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)
    try:
        size = ctypes.c_size_t(ctypes.sizeof(how))
        call("syscall", MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH | AT_RECURSIVE, how, size)
        call("syscall", MOVE_MOUNT, tree, b"", AT_FDCWD, place.encode(), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def follows_links(path: str) -> bool:
    """Tell whether links are followed where this is mounted."""
    return not os.statvfs(path).f_flag & ST_NOSYMFOLLOW
