"""Directories that a file of tmpfiles.d declares: they are a part of what it says, and may stray from it."""

from __future__ import annotations

import grp
import os
import pwd
import stat

FOLDER = "/etc/tmpfiles.d"


def strayed(path: str, content: bytes) -> list[str]:
    """Say which directories that the file declares have another owner or mode, or are not there."""
    if os.path.dirname(path) != FOLDER:
        return []
    found = []
    for words in (line.split() for line in content.decode().splitlines()):
        # systemd-tmpfiles follows no link, so one that somebody laid (to another disk) is theirs.
        if len(words) >= 5 and words[0] == "d" and not os.path.islink(words[1]):
            place, wanted = words[1], f"{int(words[2], 8):04o} {words[3]} {words[4]}"
            now = _now(place)
            if now != wanted:
                found.append(f"{place}: {now}, not {wanted}")
    return found


def _now(place: str) -> str:
    """Mode, owner and group of a directory, in words."""
    try:
        state = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    if not stat.S_ISDIR(state.st_mode):
        return "no directory"
    return f"{stat.S_IMODE(state.st_mode):04o} {_name(state.st_uid, state.st_gid)}"


def _name(uid: int, gid: int) -> str:
    """The names of an owner and a group; their numbers where they have none."""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = str(uid)
    try:
        return f"{owner} {grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"{owner} {gid}"
