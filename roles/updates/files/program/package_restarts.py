"""Restarts that packages asked for in the job that upgrades unattended: /usr/sbin/policy-rc.d put them off."""

from __future__ import annotations

import os

from commands import Problem, properties

POLICY = "/usr/sbin/policy-rc.d"
OWN = "/usr/local/sbin/policy-rc.d"
MARK = "Put here by holdfast"
FOLDER = "/run/holdfast/put-off"


def put_off() -> dict[str, str]:
    """Units that run as they did when their package asked, and which start of theirs that is.

    What was started anew since, by whomever, or has ended, is done with.
    """
    found = {}
    for unit in sorted(os.listdir(FOLDER)) if os.path.isdir(FOLDER) else ():
        with open(f"{FOLDER}/{unit}", encoding="ascii", errors="replace") as handle:
            start = handle.read().strip()
        now = properties(unit, "ActiveState", "InvocationID")
        if now["ActiveState"] in ("active", "reloading") and now["InvocationID"] == start:
            found[unit] = start
    return found


def refuse_another(root: str) -> None:
    """Raise a Problem where somebody else's policy would be written over. ``root``: where the host as it is lies."""
    try:
        with open(f"{root}{POLICY}", encoding="utf-8", errors="replace") as handle:
            ours = MARK in handle.read()
    except OSError:  # none, or a link to nowhere
        ours = not os.path.islink(f"{root}{POLICY}")
    if not ours:
        raise Problem(
            f"{POLICY} is not holdfast's, and decides which services packages may start: remove it, or move it to"
            f" {OWN}, where holdfast's asks it"
        )
