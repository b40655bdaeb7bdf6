"""Times: what systemd would refuse is told before a host is contacted, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.calendars import BAD, GOOD, PLAINER
from tests.unit.filters.support import FILTERS, SCHEMA

WINDOW = SCHEMA["properties"]["host"]["properties"]["window"]["properties"]["at"]["pattern"]


def judged(raw: dict[str, Any]) -> list[dict[str, str]]:
    """Return what the filter finds in an environment."""
    found: list[dict[str, str]] = FILTERS["calendar_mistakes"](FILTERS["catalogue"](raw, SCHEMA, tolerant=True))
    return found


def told(text: str) -> list[str]:
    """Return what is told of a time, whatever the schema's pattern says of it."""
    policy = {"updates": {"every": "daily"}, "backup": {"at": text}}
    found = FILTERS["calendar_mistakes"]({"policy": policy, "services": [], "hosts": {}})
    return [item["fix"] for item in found]


@pytest.mark.parametrize("text", GOOD)
def test_a_time_is_taken(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(("text", "fix"), {**BAD, **PLAINER}.items())
def test_a_time_is_refused_with_what_to_write(text: str, fix: str) -> None:
    (found,) = told(text)
    assert fix in found


def test_every_time_is_judged_where_it_stands(raw: dict[str, Any]) -> None:
    raw["policy"] = {"updates": {"every": "every day"}, "backup": {"at": "24:00"}}
    raw["services"][0]["schedule"] = [
        {"name": "tick", "exec": "/bin/true", "at": "every hour"},
        {"name": "tock", "exec": "/bin/true", "at": "hourly"},
    ]
    raw["hosts"]["web1"]["window"] = {"at": "Fri..Mon 02:30"}
    raw["hosts"]["web2"]["window"] = {"at": "Mon..Wed,Fri 04:30"}
    assert [(item["level"], item["entry"], item["key"], item["value"]) for item in judged(raw)] == [
        ("mistake", "host web1", "host.window.at", "Fri..Mon 02:30"),
        ("mistake", "policy", "backup.at", "24:00"),
        ("mistake", "policy", "updates.every", "every day"),
        ("mistake", "service blog", "schedule[tick].at", "every hour"),
    ]


def test_what_the_schema_lets_through_as_an_example_is_taken() -> None:
    for part in (SCHEMA["properties"]["policy"]["properties"]["updates"]["properties"]["every"],
                 SCHEMA["properties"]["policy"]["properties"]["backup"]["properties"]["at"],
                 SCHEMA["properties"]["host"]["properties"]["window"]["properties"]["at"],
                 SCHEMA["$defs"]["service"]["properties"]["schedule"]["items"]["properties"]["at"]):  # fmt: skip
        for text in (*part["examples"], part.get("default", "daily")):
            assert told(text) == []


@given(st.text("MonTueWedFriSat.,*~-:/0123 ", max_size=24))
@example(" ")
def test_no_time_raises(text: str) -> None:
    assert len(told(text)) < 2


@given(st.from_regex(WINDOW, fullmatch=True), st.from_regex(WINDOW, fullmatch=True))
def test_no_window_that_the_schema_lets_through_raises(first: str, second: str) -> None:
    """Neither by itself nor beside another; all that is wrong with one is a range over the week's end."""
    assert all("the week's end" in fix for fix in told(first))
    hosts = {
        name: {"window": {"at": at, "minutes": 60}, "groups": ["web"]} for name, at in (("a", first), ("b", second))
    }
    assert len(FILTERS["window_mistakes"]({"hosts": hosts})) < 2
