"""The table of attacks in the docs is made of what the tests saw, and is not older than the attacks."""

from __future__ import annotations

import json
import re

import pytest

from tests.hosts.attacks import ATTACKS
from tools import lockout_table

NAMES = [attack.name for attack in ATTACKS]


def line(attack: str, release: str, **more: object) -> str:
    return json.dumps(
        {"attack": attack, "release": release, "day": "2026-11-02", "reason": "denied", "login": 7.5, **more}
    )


def all_lines() -> list[str]:
    return [line(name, release) for name in reversed(NAMES) for release in lockout_table.RELEASES]


def test_the_page_has_the_attacks_that_there_are() -> None:
    """Otherwise: run tests/hosts/test_lockout.py on both releases, then `make lockout-table`."""
    page = lockout_table.PAGE.read_text(encoding="utf-8")
    rows = page.partition(lockout_table.BEGIN)[2].partition(lockout_table.END)[0].splitlines()
    seconds = r"\d+\.\d"
    found = [re.fullmatch(rf"\| (.+?) \| .+ \| {seconds} \| {seconds} \|", row) for row in rows]
    assert [row[1] for row in found if row] == NAMES


def test_an_attack_a_row_in_the_order_of_the_attacks() -> None:
    rows = lockout_table.table(all_lines()).splitlines()
    assert rows[0].startswith("Seen on 2026-11-02;")
    assert [row.split(" | ")[0] for row in rows[4:]] == [f"| {name}" for name in NAMES]
    assert rows[4].endswith("| denied | 7.5 | 7.5 |")


def test_the_last_result_counts_and_what_is_no_attack_any_more_does_not() -> None:
    newer = line(NAMES[0], "bookworm", day="2026-11-04", reason="account refused", login=1.0)
    text = lockout_table.table([*all_lines(), line("of old", "trixie", day="2020-01-01"), newer])
    assert "| account refused | 1.0 | 7.5 |" in text
    assert "Seen from 2026-11-02 to 2026-11-04;" in text
    assert "of old" not in text


def test_an_attack_that_was_not_seen_is_named() -> None:
    with pytest.raises(ValueError, match=rf"not seen yet: {NAMES[0]} \(trixie\)"):
        lockout_table.table([one for one in all_lines() if one != line(NAMES[0], "trixie")])


def test_a_reason_is_shortened_in_its_middle() -> None:
    assert lockout_table.shortened("a | b") == "a \\| b"
    assert (
        lockout_table.shortened("denied: no key. The host put everything back; the old login works.")
        == "denied: no key."
    )
    cut = lockout_table.shortened(f"first {'word ' * 50}last; the host put itself back")
    assert cut.startswith("first word")
    assert cut.endswith("word last")
    assert " … " in cut
    assert len(cut) <= lockout_table.LONGEST + 3
