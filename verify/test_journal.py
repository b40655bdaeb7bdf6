"""The journal outlives a reboot, and never fills the disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from verify.packages import lines

if TYPE_CHECKING:
    from verify.target import Target

FACTORS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
MOST: Final = 4 * 1024**3
"""Largest bound that is one."""


def size(text: str) -> int:
    """Return what systemd reads in a size, 0 for what is none."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(found[1]) * FACTORS[found[2]] if found else 0


def test_journal_is_persistent(target: Target) -> None:
    """The journal is kept on disk, now and after the next start."""
    journal = target.inside()["ground"]["journal"]
    storage = dict(lines(journal["configured"])).get("Storage", "auto")
    assert storage == "persistent", f"journald.conf and its drop-ins say Storage={storage}"
    assert journal["on_disk"], "there is no system.journal in /var/log/journal: run `journalctl --flush`"


def test_journal_is_bounded(target: Target) -> None:
    """The journal has a size that it does not exceed."""
    journal = target.inside()["ground"]["journal"]
    said = dict(lines(journal["configured"])).get("SystemMaxUse", "")
    bound = size(said)
    assert 0 < bound <= MOST, f"SystemMaxUse is {said or 'not set'}: no bound below 4G"
    assert journal["bytes"] <= bound * 1.1, f"the journal takes {journal['bytes']} bytes, more than {said}"
