"""The `window_mistakes` filter: hosts of one group that would be down at once, and hosts that restart nothing."""

from __future__ import annotations

from itertools import combinations
from typing import Any

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = 24 * 60
WEEK = 7 * DAY
NONE = (
    "without one nothing is restarted by itself: replaced code runs on, and in the end the check of updates fails;"
    ' write a time in UTC, such as window: {at: "Sun 03:00", minutes: 60}'
)


def days_of(text: str) -> set[int]:
    """Return the days of the week that `Mon..Wed,Fri` names; every day for nothing.

    `Fri..Mon`, which calendar_mistakes refuses, is read as it is meant, so that an overlap is told at once.
    """
    days = set()
    for item in text.split(",") if text else ["Mon..Sun"]:
        first, _, last = item.partition("..")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {(begin + offset) % 7 for offset in range((end - begin) % 7 + 1)}
    return days


def minutes_of(window: dict[str, Any]) -> set[int]:
    """Return the minutes of the week that a window covers. One that begins on Sunday night ends on Monday."""
    days, _, clock = window["at"].rpartition(" ")
    hour, minute = clock.split(":")
    starts = [day * DAY + int(hour) * 60 + int(minute) for day in days_of(days)]
    return {(start + offset) % WEEK for start in starts for offset in range(window["minutes"])}


def shown(window: dict[str, Any]) -> str:
    """Return a window in words."""
    return f"{window['at']} for {window['minutes']} minutes"


def window_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return windows that overlap within a group, and hosts without one, as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    windows = {name: host["window"] for name, host in sorted(cat["hosts"].items()) if host["window"]}
    covered = {name: minutes_of(window) for name, window in windows.items()}
    found = [
        {"level": "warning", "entry": f"host {name}", "key": "host.window", "value": "nothing", "fix": NONE}
        for name in cat["hosts"]
        if name not in windows
    ]
    for first, second in combinations(windows, 2):
        shared = sorted(set(cat["hosts"][first]["groups"]) & set(cat["hosts"][second]["groups"]))
        if shared and covered[first] & covered[second]:
            fix = f"choose another time: {first} of the group {shared[0]} has {shown(windows[first])}"
            mistake = {"level": "mistake", "entry": f"host {second}", "key": "host.window"}
            found.append({**mistake, "value": shown(windows[second]), "fix": fix})
    return sorted(found, key=lambda item: (item["entry"], item["fix"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"window_mistakes": window_mistakes}
