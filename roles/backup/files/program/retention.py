"""What is let go of: nothing, where a wrong clock or a standstill would take the whole history with it."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING, Any

import restic
import snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of so many of the last days with a backup one stays, whatever its age: as many as the default keeps in good times.
DAYS = 14
GAP = 32  # days without a backup that are no schedule any more, were it a monthly one


def gap(days: Iterable[datetime.date]) -> tuple[datetime.date, datetime.date] | None:
    """Return between which of the last days with a backup none was made for long."""
    last = sorted(set(days))[-DAYS:]
    found = [(one, other) for one, other in itertools.pairwise(last) if (other - one).days > GAP]
    return found[-1] if found else None


def forget(order: dict[str, Any]) -> None:
    """Let go of what is older than declared. restic counts from the newest one, and what it prunes never comes back.

    After a long standstill, or under a clock that stands ahead, that could be the whole history. So nothing goes before
    there are backups of some days again, and one of each of these stays. Days, since a day may have many backups.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    found = gap(day for day in (snapshots.when(one).date() for one in snapshots.of_host(order)) if day <= today)
    if found:
        print(
            f"nothing old was removed, since no backup was made between {found[0]} and {found[1]}: is the clock right? "
            f"It is removed again once there are backups of {DAYS} days since then"
        )
        return
    keep = [f"--keep-within-{each}={order['keep'][each]}" for each in ("daily", "weekly", "monthly")]
    keep.append(f"--keep-daily={DAYS}")
    restic.must(order, "forget", "--tag", "holdfast", "--group-by", "", "--prune", *keep)
