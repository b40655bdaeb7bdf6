"""Numbers of login.defs(5), read as useradd reads them.

That is in shadow's source: `def_load` in lib/getdef.c follows a link, takes quotation marks away and lets the last line
of a name count; `getdef_ulong` there takes the default for what strtoul(3) with base 0, in `getulong`, does not take
as a whole. Where the releases differ, as Debian 12's does: Debian 13's takes binary numbers, and no carriage return at
the end of a line. library/host_survey.py and verify/remote/inside.py, which can import nothing of the guard, read them
alike.
"""

from __future__ import annotations

import os
import re
import stat

from host import GuardError

PATH = "/etc/login.defs"


def text() -> str:
    """Return the text of the file; nothing where it is not there.

    Raises:
        GuardError: a link leads to somebody's own file, who would say with it whose accounts are closed.
    """
    try:
        handle = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    with open(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise GuardError(f"nothing was changed: {os.path.realpath(PATH)}, read as {PATH}, is no file of root's")
        return stream.read().decode(errors="replace")


def number(said: str, name: str, default: int) -> int:
    """Return the value that the text gives to a name; the default where it gives none, or one that is no number."""
    values = re.findall(rf'(?m)^[ \t]*{name}[ \t]+(?=\S)[ \t"]*([^"\n]*?)(?:".*|[^\S\n]*)$', said)
    found = re.fullmatch(r"\+?(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,21}|[1-9][0-9]{0,18})", values[-1]) if values else None
    return int(found[1], 8 if found[1].isdigit() and found[1][0] == "0" else 0) if found else default


def numbers(defaults: dict[str, int]) -> dict[str, int]:
    """Return the values of these names; the default of each that the file does not say, or says as no number."""
    said = text()
    return {name: number(said, name, default) for name, default in defaults.items()}


def human_uids() -> range:
    """Return the range of uids that login.defs gives to people."""
    bounds = numbers({"UID_MIN": 1000, "UID_MAX": 60000})
    return range(bounds["UID_MIN"], bounds["UID_MAX"] + 1)
