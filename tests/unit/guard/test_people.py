"""Who is undeclared, who is closed, and which sudo rules are not ours."""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
from pathlib import Path

import given
import people
import pytest
from host import GuardError

PASSWD = """root:x:0:0::/root:/bin/bash
daemon:x:1:1::/:/usr/sbin/nologin
alice:x:1000:1000::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
eve:x:1002:1002::/home/eve:/bin/bash
nobody:x:65534:65534::/:/usr/sbin/nologin
broken
"""
SHADOW = """root:*:20000:0:99999:7:::
daemon:*:20000:0:99999:7::1:
alice:!:20000:0:99999:7::1:
bob:!$6$x$y:20000:0:99999:7::1:
eve:$6$x$y:20000:0:99999:7:::
nobody:*:20000:0:99999:7::1:
"""


def test_only_people_whom_nobody_declares_are_named() -> None:
    """System accounts and declared people are left out."""
    found = people.undeclared_names(PASSWD, SHADOW, {"alice"}, range(1000, 60001))
    assert found == {"bob": True, "eve": False}


def test_account_without_shadow_line_is_left_alone() -> None:
    """What the guard could not have closed is not ended."""
    assert people.undeclared_names(PASSWD, "", set(), range(1000, 60001)) == {}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n", []),
        ("Defaults env_reset\n# a = b\n@includedir /etc/sudoers.d\n#includedir /x=y\n", []),
        ("Cmnd_Alias A = /bin/ls\nUser_Alias B = eve\n", []),
        ("\ndebian ALL=(ALL) NOPASSWD:ALL\n", [2]),
        ("%admin ALL=(ALL) \\\n  ALL\neve ALL=ALL\n", [1, 3]),
        ("root ALL=(ALL:ALL) NOPASSWD: ALL\n", [1]),
    ],
)
def test_rules_that_grant(text: str, lines: list[int]) -> None:
    """Whoever gets a right is named by line; Debian's own two rules are not."""
    assert people.granting_rules(text) == lines


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> people.Work:
    monkeypatch.setattr(people, "RECORD", tmp_path / "created.json")
    monkeypatch.setattr(given, "RECORD", tmp_path / "numbers.json")
    (tmp_path / "created.json").write_text(json.dumps(["bob"]))
    monkeypatch.setattr("os.chown", lambda *_: None)
    (tmp_path / "bob").mkdir()
    return people.Work(check=False)


def test_a_home_directory_is_moved_aside(work: people.Work, tmp_path: Path) -> None:
    work.keep(tmp_path / "bob")
    assert not (tmp_path / "bob").exists()
    assert len(list(tmp_path.glob("bob.closed-*"))) == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EBUSY, "keep its home directory as {home}, for root only"),
        (errno.EXDEV, "keep its home directory as {home}, for root only"),
        (errno.EROFS, "leave its home directory {home} as it is: Read-only file system"),
    ],
)
def test_a_home_directory_that_cannot_be_moved_stays_and_ends_no_run(
    work: people.Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "rename", refuse)
    home = tmp_path / "bob"
    work.keep(home)
    assert work.did == [told.format(home=home)]


def test_what_another_of_that_name_left_is_given_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(Path, "stat", lambda _: type("", (), {"st_uid": 0}))
    monkeypatch.setattr("os.listdir", lambda _: ["lost+found"])
    people.refuse_home("bob")
    monkeypatch.setattr("os.listdir", lambda _: ["lost+found", "notes"])
    with pytest.raises(GuardError, match="/home/bob is there and belongs to root"):
        people.refuse_home("bob")
    monkeypatch.setattr(Path, "stat", lambda _: type("", (), {"st_uid": 1001}))
    with pytest.raises(GuardError, match="/home/bob is there and belongs to number 1001"):
        people.refuse_home("bob")


def test_no_other_kind_of_break_hides_an_account() -> None:
    """Somebody may change room and telephone in the line of the own account."""
    passwd = "bob:x:1001:1001:Bob,\u2028room\r,\x0b:/home/bob:/bin/bash\n"
    assert people.undeclared_names(passwd, SHADOW, set(), range(1000, 60001)) == {"bob": True}


@pytest.mark.parametrize("problem", [GuardError("processes of bob do not end"), PermissionError(1, "bob's crontab")])
def test_an_account_that_cannot_be_ended_keeps_no_other(
    work: people.Work, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    """And what was done with the others is told all the same."""

    def end(_: people.Work, name: str) -> None:
        if name == "bob":
            raise problem

    deleted: list[str] = []
    work.did.append("end the sessions of eve")
    monkeypatch.setattr(people.Work, "end_sessions", end)
    monkeypatch.setattr(people.Work, "drop_jobs", lambda *_: None)
    monkeypatch.setattr(people.Work, "delete", lambda _, name: deleted.append(name))
    with pytest.raises(GuardError, match="bob") as refusal:
        work.closed(["bob", "eve"], {"bob", "eve"})
    assert deleted == ["eve"]
    assert refusal.value.did == ["end the sessions of eve"]


@pytest.mark.parametrize("record", ["[1, 2]", "5", "{", "null", "\xff"])
def test_a_broken_record_of_created_accounts_ends_no_run(work: people.Work, record: str) -> None:
    people.RECORD.write_text(record, encoding="latin-1")
    assert "bob" not in people.Work(check=True).created


@pytest.mark.parametrize(
    ("gid", "told"),
    [
        (None, ["--user-group"]),
        (1007, ["--gid", "zoe"]),
        (999, ["--gid", "users"]),
        (65534, ["--gid", "users"]),
    ],
)
def test_nobody_is_made_a_member_of_a_group_of_the_system_by_a_name(
    work: people.Work, monkeypatch: pytest.MonkeyPatch, gid: int | None, told: list[str]
) -> None:
    """A group of lxd's or docker's that bears the name of a person would be that person's primary one."""
    groups = [grp.struct_group(("zoe", "x", gid, []))] if gid is not None else []
    monkeypatch.setattr("grp.getgrall", lambda: groups)
    monkeypatch.setattr("grp.getgrnam", lambda name: {group.gr_name: group for group in groups}[name])
    monkeypatch.setattr("pwd.getpwnam", lambda name: {}[name])
    monkeypatch.setattr(people, "human_uids", lambda: range(1000, 60001))
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(people.Work, "run", lambda _, *command: called.append(command))
    work.check = True
    work.present([], [{"name": "zoe", "shell": "/bin/bash"}])
    ((command, *arguments),) = called
    assert command == "useradd"
    shown = arguments[arguments.index(told[0]) :]
    assert shown[: len(told)] == told
    assert {"--gid", "--user-group"} & set(arguments) == {told[0]}
    number = arguments[arguments.index("--uid") + 1]
    assert int(number) == work.numbers.highest  # and no other for its group
    assert {f"GID_MIN={number}", f"GID_MAX={number}"} <= set(arguments)


def test_a_home_is_its_owners_though_nothing_can_be_recorded(
    work: people.Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To a home of an account that is there no run comes back; the numbers are in a file that the next run reads."""
    home, made, owned = tmp_path / "zoe", list[tuple[str, ...]](), list[tuple[object, ...]]()
    home.mkdir(mode=0o755)
    subuid = tmp_path / "subuid"
    monkeypatch.setattr(given, "SUBORDINATE", {"SUB_UID_": str(subuid)})
    work.numbers = given.Numbers(range(1000, 60001), check=False)

    def account(name: str) -> pwd.struct_passwd:
        if not made:
            raise KeyError(name)
        return pwd.struct_passwd((name, "x", 12345, 12345, "", str(home), "/bin/bash"))

    def useradd(_: people.Work, *command: str) -> None:
        made.append(command)
        subuid.write_text("zoe:100000:65536\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pwd.getpwnam", account)
    monkeypatch.setattr("os.chown", lambda *given: owned.append(given))
    monkeypatch.setattr(people, "refuse_home", lambda _: None)
    monkeypatch.setattr(people.Work, "run", useradd)
    monkeypatch.setattr(given.Numbers, "take", lambda *_: 12345)
    monkeypatch.setattr(given, "write_durably", full)
    with pytest.raises(OSError, match="No space left"):
        work.present([], [{"name": "zoe", "shell": "/bin/bash"}])
    assert home.stat().st_mode & 0o777 == 0o700
    assert owned == [(str(home), 12345, 12345)]
    monkeypatch.undo()
    monkeypatch.setattr(given, "RECORD", tmp_path / "numbers.json")
    monkeypatch.setattr(given, "SUBORDINATE", {"SUB_UID_": str(subuid)})
    given.Numbers(range(1000, 60001), check=False).keep()
    subuid.unlink()
    assert given.recorded()["subordinate"] == 165535


def test_an_account_without_room_for_its_numbers_is_made_and_told_of(
    work: people.Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pwd.getpwnam", lambda name: {}[name])
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(people.Work, "run", lambda _, *command: called.append(command))
    work.check = True
    work.numbers = given.Numbers(range(1000, 60001), check=True)
    for told in (given.NO_SUBORDINATE, []):
        monkeypatch.setattr(given.Numbers, "subordinate", lambda _, told=told: told)
        work.present([], [{"name": f"zoe{len(told)}", "shell": "/bin/bash"}])
    assert work.did == [
        "create the account zoe4",
        "give zoe4 no subordinate numbers: there is no room for them on this host",
        "create the account zoe0",
    ]
    assert "SUB_UID_COUNT=0" in called[0]
    assert "SUB_UID_COUNT=0" not in called[1]
