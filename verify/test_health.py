"""The host looks after itself every few minutes, and what it found fails nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

TIMER: Final = "holdfast-health.timer"
MINUTES: Final = 15


def test_looks(target: Target) -> None:
    """Its timer runs, and the last look is recent."""
    facts = target.inside()
    assert facts["unit_files"].get(TIMER) == "enabled", f"{TIMER} is {facts['unit_files'].get(TIMER, 'missing')}"
    unit = facts["units"][TIMER]
    assert unit["ActiveState"] == "active", f"{TIMER} is {unit['ActiveState']}"
    running = facts["monotonic"] - int(unit["ActiveEnterTimestampMonotonic"]) / 1e6
    if running < MINUTES * 60:
        return  # the host has just been started
    assert facts["health"], "there is no result of it"
    then = dt.datetime.strptime(facts["health"]["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    age = (facts["clock"] - then.timestamp()) / 60
    assert age < MINUTES, f"the last look was {age:.0f} minutes ago"


def test_nothing_fails(target: Target) -> None:
    """Nothing failed at the last look; warnings are remarks."""
    found = (target.inside()["health"] or {"findings": []})["findings"]
    for one in found:
        if one["level"] in ("warn", "note"):
            target.note(f"{one['check']} {one['subject']}: {one['text']}")
    problems = [f"{one['check']} {one['subject']}: {one['text']}" for one in found if one["level"] == "fail"]
    empty(problems, "the host says that something is wrong")
