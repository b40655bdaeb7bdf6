"""Numbers of login.defs(5), read as useradd reads them."""

from __future__ import annotations

import contextlib

import files

PATH = "/etc/login.defs"


def numbers(defaults: dict[str, int]) -> dict[str, int]:
    """Return the values of these names; the default of each that the file does not say, or says as no number."""
    found = dict(defaults)
    for line in (files.read(PATH) or b"").decode(errors="replace").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in found:
            with contextlib.suppress(ValueError):
                found[words[0]] = int(words[1], 0)
    return found


def human_uids() -> range:
    """Return the range of uids that login.defs gives to people."""
    bounds = numbers({"UID_MIN": 1000, "UID_MAX": 60000})
    return range(bounds["UID_MIN"], bounds["UID_MAX"] + 1)
