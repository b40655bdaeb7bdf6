"""The list of hosts that need a reboot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.filters.support import FILTERS

QUIET: dict[str, Any] = {
    "installed": "",
    "pending": "",
    "asked": False,
    "window": {"at": "Sun 03:00", "minutes": 60},
    "by_itself": True,
}


def answer(*reasons: str) -> str:
    return json.dumps({"lines": [], "reboot": reasons})


def test_each_host_is_told_with_its_reason_and_its_window() -> None:
    heard = {
        "web3": {**QUIET, "pending": answer("runs old code: dbus"), "window": {}},
        "web2": {**QUIET, "pending": answer(), "installed": answer("asked for by linux", "more"), "by_itself": False},
        "web1": {**QUIET, "asked": True},
        "quiet": QUIET,
    }
    assert FILTERS["reboot_list"](heard) == [
        "web1, in its window, which opens Sun 03:00 UTC: asked for by a package",
        "web2, by hand, since policy.updates.reboot is false: asked for by linux; more",
        "web3, by hand, since it has no window: runs old code: dbus",
    ]


def test_the_last_word_counts() -> None:
    rebooted = {**QUIET, "asked": True, "pending": answer("old"), "installed": answer()}
    assert FILTERS["reboot_list"]({"web1": rebooted}) == []


def test_a_program_of_before_tells_no_reasons() -> None:
    assert FILTERS["reboot_list"]({"web1": {**QUIET, "pending": json.dumps({"lines": []})}}) == []


def test_a_host_s_words_move_no_cursor() -> None:
    heard = {**QUIET, "pending": answer("kernel \x1b[2J6.12")}
    assert FILTERS["reboot_list"]({"web1": heard})[0].endswith("kernel  [2J6.12")


@pytest.mark.parametrize(
    "broken", ["{oops", '{"reboot": null}', '{"reboot": 1}', '{"reboot": [1, null, []]}', {"a": 1}, '{"a":' * 90_000]
)
def test_a_broken_answer_keeps_no_other_from_being_told(broken: Any) -> None:
    lines = FILTERS["reboot_list"]({"web1": {**QUIET, "pending": broken}, "web2": {**QUIET, "asked": True}})
    assert [line.partition(",")[0] for line in lines] == ["web1", "web2"]
