"""No number of a person is given to another one."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

import given
import login_defs
import pytest
from host import GuardError

if TYPE_CHECKING:
    from pathlib import Path

HUMANS = range(1000, 60001)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int]]:
    """A host whose accounts the test may change."""
    there = [("root", 0), ("alice", 1000), ("bob", 1001), ("nobody", 65534)]

    def accounts() -> list[pwd.struct_passwd]:
        return [pwd.struct_passwd((name, "x", number, number, "", "/", "/bin/sh")) for name, number in there]

    monkeypatch.setattr(given, "RECORD", tmp_path / "access/numbers.json")
    monkeypatch.setattr(given, "left_behind", set)
    monkeypatch.setattr(login_defs, "PATH", str(tmp_path / "login.defs"))
    files = {"SUB_UID_": str(tmp_path / "subuid"), "SUB_GID_": str(tmp_path / "subgid")}
    monkeypatch.setattr(given, "SUBORDINATE", files)
    monkeypatch.setattr("pwd.getpwall", accounts)
    monkeypatch.setattr("grp.getgrall", list)
    return there


def test_the_number_of_a_deleted_account_is_given_to_nobody(host: list[tuple[str, int]]) -> None:
    assert given.Numbers(HUMANS, check=False).take("eve") == 1002
    assert given.Numbers(HUMANS, check=False).take("zoe") == 1003  # eve's useradd was killed, or she has left
    host.append(("by hand", 1010))
    given.Numbers(HUMANS, check=False).keep()
    host.pop()
    numbers = given.Numbers(HUMANS, check=False)
    assert [numbers.take("carl"), numbers.take("dora")] == [1011, 1012]
    assert given.RECORD.stat().st_mode & 0o777 == 0o600
    assert given.RECORD.parent.stat().st_mode & 0o777 == 0o700


def test_numbers_of_groups_count(host: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grp.getgrall", lambda: [grp.struct_group(("a", "x", gid, [])) for gid in (999, 1500, 65534)])
    assert given.Numbers(HUMANS, check=True).take("eve") == 1501


def test_check_mode_writes_nothing(host: list[tuple[str, int]]) -> None:
    numbers = given.Numbers(HUMANS, check=True)
    assert [numbers.take("eve"), numbers.take("zoe")] == [1002, 1003]
    numbers.keep()
    assert not given.RECORD.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"highest": "7"}', '{"highest": true}', '{"highest": -5}', "\xff", "{}"]
)
@pytest.mark.usefixtures("host")
def test_a_broken_record_counts_as_none(text: str) -> None:
    given.RECORD.parent.mkdir()
    given.RECORD.write_text(text, encoding="latin-1")
    assert given.Numbers(HUMANS, check=False).take("eve") == 1002
    assert given.recorded() == {"highest": 1002, "subordinate": 0}


@pytest.mark.usefixtures("host")
def test_the_number_of_what_lies_about_is_given_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out, and costs no other: a container may leave a file of the last number of all."""
    monkeypatch.setattr(given, "left_behind", lambda: {1002, 1003, 60000})
    numbers = given.Numbers(HUMANS, check=False)
    assert [numbers.take("eve"), numbers.take("zoe")] == [1004, 1005]


@pytest.mark.usefixtures("host")
def test_subordinate_numbers_are_given_once(tmp_path: Path) -> None:
    """Those of a deleted account, too: useradd takes the first gap."""
    subuid, subgid = tmp_path / "subuid", tmp_path / "subgid"
    assert given.Numbers(HUMANS, check=False).subordinate() == []
    subuid.write_text("alice:100000:65536\nodd\nlast:600000000:99999999\n")
    subgid.write_text("alice:165536:65536\n")
    numbers = given.Numbers(HUMANS, check=False)
    numbers.keep()
    subuid.write_text("")
    subgid.unlink()
    for again in (numbers, given.Numbers(HUMANS, check=True)):
        assert again.subordinate() == ["--key", "SUB_UID_MIN=231072", "--key", "SUB_GID_MIN=231072"]
    given.RECORD.write_text('{"highest": 1002, "subordinate": 600099990}')
    assert given.Numbers(HUMANS, check=True).subordinate() == []


def told(first: int | None) -> list[str]:
    """Return what useradd is told: this minimum for both, or nothing where it takes the first gap."""
    return ["--key", f"SUB_UID_MIN={first}", "--key", f"SUB_GID_MIN={first}"] if first else []


NONE = ["--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", told(165536)),
        ("# SUB_UID_MAX 200000\nSUB_UID_MAX many\nSUB_GID_MAX 0x3869f\n", told(165536)),
        ("SUB_UID_MAX 231071\n", told(165536)),
        ("SUB_UID_MAX 231070\n", NONE),
        ("SUB_GID_MAX 200000\n", told(None)),
        ("SUB_UID_COUNT 600000000\n", NONE),
        ("SUB_GID_MIN 500000\n", told(500000)),
        ("SUB_UID_MAX 300000\nSUB_GID_MIN 500000\n", told(None)),
    ],
)
@pytest.mark.usefixtures("host")
def test_subordinate_numbers_keep_to_what_the_host_says(tmp_path: Path, said: str, expected: list[str]) -> None:
    """A minimum that leaves useradd no room would end it, where the first gap had done."""
    (tmp_path / "subuid").write_text("alice:100000:65536\n")
    (tmp_path / "login.defs").write_text(said)
    assert given.Numbers(HUMANS, check=True).subordinate() == expected


def people(*taken: int) -> str:
    """Return what useradd has given to so many accounts."""
    return "".join(f"p{one}:{100000 + 65536 * one}:65536\n" for one in taken)


LXD = "root:1000000:1000000000\n"


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param(LXD, told(None), id="LXD alone"),
        pytest.param(LXD + people(*range(12)), told(886432), id="one more before LXD"),
        pytest.param(LXD + people(*range(1, 13)), told(None), id="a gap alone"),
        pytest.param(LXD + people(*range(13)), NONE, id="not even a gap"),
        pytest.param("root:1000000:1000000\n" + people(*range(13)), told(2000000), id="behind one by hand"),
        pytest.param("root:1000000:599100001\n" + people(0), told(None), id="up to the very last"),
        pytest.param("root:600034465:65537\n" + people(0), told(165536), id="over the last"),
        pytest.param("root:600100001:65536\nbob:100000:599934465\n", told(600034465), id="as many before one above"),
        pytest.param("root:600100001:65536\nbob:100000:599934466\n", NONE, id="one too few before one above"),
        pytest.param("bob:100000:599934465\n", told(600034465), id="as many at the end"),
        pytest.param("bob:100000:599934466\n", NONE, id="one too few at the end"),
    ],
)
@pytest.mark.parametrize("file", ["subuid", "subgid"])
@pytest.mark.usefixtures("host")
def test_useradd_finds_room_from_the_minimum_on(tmp_path: Path, ranges: str, expected: list[str], file: str) -> None:
    """LXD gives root a range that begins below SUB_UID_MAX and ends above: useradd takes nothing behind it."""
    (tmp_path / file).write_text(ranges)
    assert given.Numbers(HUMANS, check=True).subordinate() == expected


@pytest.mark.parametrize("record", [59999, 60000, 10**30])
def test_the_end_of_the_range_says_what_to_do(host: list[tuple[str, int]], record: int) -> None:
    given.RECORD.parent.mkdir()
    given.RECORD.write_text(f'{{"highest": {record}}}')
    numbers = given.Numbers(HUMANS, check=False)
    if record == 59999:
        assert numbers.take("eve") == 60000
    with pytest.raises(GuardError, match=r"no number is left for it.*Raise UID_MAX, or create zoe by hand"):
        numbers.take("zoe")
    assert given.recorded()["highest"] == max(record, 60000)


def test_what_lies_about_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home that was kept is root's; what is in it still has the number."""
    kept = tmp_path / "home/bob.closed-2026-01-01"
    kept.mkdir(parents=True)
    (kept / ".profile").symlink_to("/nowhere")
    monkeypatch.setattr(given, "HOMES", str(tmp_path / "home"))
    monkeypatch.setattr(given, "LEFT", (str(tmp_path / "none"),))
    numbers = {".profile": (1007, 1008), kept.name: (0, 0)}

    def shown(path: str) -> os.stat_result:
        uid, gid = numbers[path.rpartition("/")[2]]
        return os.stat_result((0, 0, 0, 0, uid, gid, 0, 0, 0, 0))

    monkeypatch.setattr("os.lstat", shown)
    assert given.left_behind() == {0, 1007, 1008}
