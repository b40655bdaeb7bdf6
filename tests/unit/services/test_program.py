"""The host's program of the services: where it looks for what an account owns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.loading import load

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]
KINDS = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tnfs4\nnodev\toverlay\n\text4\n\txfs\nnodev\tbtrfs-like\n"
MOUNTS = r"""
22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw,upperdir=/x
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /run rw,nosuid shared:2 master:1 - tmpfs tmpfs rw
25 22 8:16 / /mnt/my\040volume rw - ext4 /dev/sdb rw
26 22 254:0 / /var/lib rw - xfs /dev/mapper/vg-lib rw
27 22 8:16 / /mnt/again rw - ext4 /dev/sdb rw
28 22 8:16 /part /srv/part rw - ext4 /dev/sdb rw
29 22 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
"""
FAR = r"""
30 22 0:60 / /mnt/nas rw - nfs4 nas:/export rw
31 22 0:61 / /mnt/there rw - fuse.sshfs there: rw
33 22 0:63 / /mnt/plain rw - fuse plain rw
32 23 0:62 /proc/uptime /proc/uptime rw - fuse.lxcfs lxcfs rw
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the program; its /proc lies in ``tmp_path``."""
    module = load(ROOT / "roles/services/files/services.py", "holdfast_services")
    (tmp_path / "self").mkdir()
    (tmp_path / "filesystems").write_text(KINDS)
    (tmp_path / "self/mountinfo").write_text(MOUNTS.lstrip())
    monkeypatch.setattr(module, "PROC", str(tmp_path))
    return module


def test_each_disk_is_searched_once(program: ModuleType) -> None:
    assert program.filesystems() == (["/", "/run", "/mnt/my volume", "/var/lib", "/srv/part"], [])


def test_other_machines_are_named_and_not_searched(program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "self/mountinfo").write_text((MOUNTS + FAR.lstrip()).lstrip())
    places, far = program.filesystems()
    assert far == ["/mnt/nas (nfs4)", "/mnt/there (fuse.sshfs)", "/mnt/plain (fuse)"]
    assert "/mnt/nas" not in places


def test_an_account_stays_where_it_is_not_known_to_own_nothing(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told apart are what was found, what could not be searched, and what took too long."""
    me = program.pwd.getpwuid(os.getuid()).pw_name
    answers = {
        (0, ""): "",
        (0, "/mnt/x"): "it owns /mnt/x",
        (1, "find: '/mnt/x': Input/output error"): "it may own something: find: '/mnt/x': Input/output error",
        (124, ""): "it may own something: 7 s were too short to search / /mnt/x",
    }
    for answer, said in answers.items():
        monkeypatch.setattr(program, "filesystems", lambda: (["/", "/mnt/x"], []))
        monkeypatch.setattr(program, "run", lambda *_, answer=answer: answer)
        assert program.belongings(me, 7) == said
    monkeypatch.setattr(program, "run", lambda *_: (0, ""))
    monkeypatch.setattr(program, "filesystems", lambda: (["/"], ["/mnt/nas (nfs4)"]))
    assert program.belongings(me, 7) == "it may own something in what is not searched: /mnt/nas (nfs4)"


def test_what_it_owns_on_a_mount_is_found(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = program.pwd.getpwuid(os.getuid()).pw_name
    letter = tmp_path / "mnt/letter"
    letter.parent.mkdir()
    letter.touch()
    monkeypatch.setattr(program, "filesystems", lambda: ([str(letter.parent)], []))
    assert program.belongings(me, 7) == f"it owns {letter.parent}"


def test_however_many_are_gone_the_search_ends(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the program has its own end: the accounts of all that are gone share one time."""
    given: list[int] = []
    records = {f"gone-{number}": {"ports": [8000]} for number in range(8)}
    monkeypatch.setattr(program, "by_name", lambda place: dict(records) if place == program.RECORDS else {})
    monkeypatch.setattr(program, "retire", lambda _name, _record, seconds: given.append(seconds))
    program.settle(1)
    assert len(given) == 8
    assert sum(given) <= program.SEARCH_SECONDS
