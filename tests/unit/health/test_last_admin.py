"""The host itself warns before its last admin's end, and counts days as sshd and PAM do: in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loading import load

health: Any = load(Path(__file__).parents[3] / "roles/health/files/health.py")

DAY = 86400
UNTIL = date(2027, 6, 30)
END = (UNTIL - date(1970, 1, 1)).days + 1  # as the guard writes it
LEVELS = ["ok", "warn", "fail"]
DAYS = st.integers(0, 10**9)


def level(ends: dict[str, int | None], now: float, warn_days: int = 30) -> str:
    """What is said of these ends."""
    found = list(health.last_admin(ends, warn_days, now))
    return found[0]["level"] if found else "ok"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-05-30 23:59:59", "ok"),
        ("2027-05-31 00:00:00", "warn"),  # 30 days before the last valid day, as the preflight counts
        ("2027-06-23 23:59:59", "warn"),
        ("2027-06-24 00:00:00", "fail"),  # the first of the last seven
        ("2027-06-30 23:59:59", "fail"),
        ("2027-07-01 00:00:00", "fail"),
        ("2027-09-01 00:00:00", "fail"),
    ],
)
def test_the_days_around_the_end(now: str, expected: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    assert level({"alice": END, "oper": END - 40}, at) == expected


def test_what_is_said() -> None:
    (said,) = health.last_admin({"alice": END, "bob": END, "oper": END - 1}, 30, (END - 10) * DAY)
    assert said["text"] == (
        "alice, bob until 2027-06-30: THE LAST ADMIN DOOR of this host closes in 10.0 days;"
        " verify somebody again, write a later `until` in people, and run playbooks/site.yml"
    )
    assert (said["check"], said["subject"], said["value"]) == ("admin", "last", 10.0)
    (gone,) = health.last_admin({"alice": END}, 30, (END + 2) * DAY)
    assert "closed 2.0 days ago" in gone["text"]
    text = health.exposition([said], 0)
    assert 'holdfast_health_level{check="admin",subject="last"} 1' in text
    assert 'holdfast_health_value{check="admin",subject="last"} 10' in text


def test_nothing_where_an_admin_has_no_end_or_nobody_is_one() -> None:
    assert list(health.last_admin({"alice": 1, "oper": None}, 30, END * DAY)) == []
    assert list(health.last_admin({}, 30, END * DAY)) == []


@given(
    st.dictionaries(st.sampled_from("abc"), DAYS, min_size=1), st.sampled_from("abc"), DAYS, DAYS, st.integers(0, 3650)
)
def test_a_later_end_never_raises_the_level(ends: dict[str, int], who: str, more: int, today: int, warn: int) -> None:
    """Nor does another admin."""
    later = {**ends, who: ends.get(who, 0) + more}
    before, after = level(dict(ends), today * DAY, warn), level(dict(later), today * DAY, warn)
    assert LEVELS.index(after) <= LEVELS.index(before)
    assert level({**ends, who: None}, today * DAY, warn) == "ok"


GROUP = """root:x:0:
holdfast-ssh:x:996:alice,bob,oper,keyless,gone,old
holdfast-admin:x:992:alice,oper,rescue,keyless,gone,old
+
"""
SHADOW = """root:*:1:0:99999:7:::
alice:x:1:0:::: 9:
oper:x:1:0::::20999:
bob:x:1:::::9:
keyless:x:1:::::9:
rescue:x:1::::::
old:x:1
"""


def test_by_the_files_that_the_host_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has sudo and a way in: not the console's account, nor one without a key, nor one that is not there."""
    names = {"/etc/group": GROUP, "/etc/shadow": SHADOW}
    monkeypatch.setattr(health, "database", lambda path: [line.split(":") for line in names[path].split("\n")])
    monkeypatch.setattr(health, "KEYS", str(tmp_path))
    for name in ("alice", "oper", "bob", "rescue", "gone", "old"):
        (tmp_path / name).touch()
    assert health.admin_ends() == {"alice": None, "oper": 20999}
    names["/etc/group"] = "root:x:0:\n"
    assert health.admin_ends() == {}


def test_a_database_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "group").write_bytes(b"a:x:1:\xff\rb:x:2:\n")
    assert health.database(str(tmp_path / "group")) == [["a", "x", "1", "\udcff\rb", "x", "2", ""], [""]]


def test_it_is_part_of_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("disks", "memory", "clock", "certificates", "failed_units", "loops", "upgrades"):
        monkeypatch.setattr(health, other, lambda *_: [])
    monkeypatch.setattr(health, "admin_ends", lambda: {"alice": 1})
    (found,) = health.look({"limits": {}, "backup": False, "admin_warn_days": 30})
    assert (found["check"], found["level"]) == ("admin", "fail")
