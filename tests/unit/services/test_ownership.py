"""Where it is looked for what the account of a service that is gone owns."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import calling
import ownership
import pytest

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.fixture(autouse=True)
def _own_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program's /proc lie in ``tmp_path``."""
    (tmp_path / "self").mkdir()
    (tmp_path / "filesystems").write_text(KINDS)
    (tmp_path / "self/mountinfo").write_text(MOUNTS.lstrip())
    monkeypatch.setattr(ownership, "PROC", str(tmp_path))


def test_each_disk_is_searched_once() -> None:
    assert ownership.filesystems() == (["/", "/run", "/mnt/my volume", "/var/lib", "/srv/part"], [])


def test_other_machines_are_named_and_not_searched(tmp_path: Path) -> None:
    (tmp_path / "self/mountinfo").write_text((MOUNTS + FAR.lstrip()).lstrip())
    places, far = ownership.filesystems()
    assert far == ["/mnt/nas (nfs4)", "/mnt/there (fuse.sshfs)", "/mnt/plain (fuse)"]
    assert "/mnt/nas" not in places


@pytest.mark.parametrize("odd", ["\r", "\x0b", "\x1c", "\u0085", "\u00a0", "\u2028", "\udcff"], ids=ascii)
def test_the_name_of_a_mount_is_never_taken_for_more_than_one_word(tmp_path: Path, odd: str) -> None:
    """Whoever may mount names the place; the kernel quotes what it parts words and lines by, and nothing more."""
    mount = f"34 22 0:70 / /mnt/a{odd}b rw - tmpfs tmpfs rw\n"
    (tmp_path / "self/mountinfo").write_bytes((MOUNTS.lstrip() + mount).encode(errors="surrogateescape"))
    assert ownership.filesystems()[0][-1] == f"/mnt/a{odd}b"


def test_an_account_stays_where_it_is_not_known_to_own_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told apart are what was found, what could not be searched, and what took too long."""
    me = pwd.getpwuid(os.getuid()).pw_name
    answers = {
        (0, ""): "",
        (0, "/mnt/x"): "it owns /mnt/x",
        (1, "find: '/mnt/x': Input/output error"): "it may own something: find: '/mnt/x': Input/output error",
        (124, ""): "it may own something: 7 s were too short to search / /mnt/x",
    }
    for answer, said in answers.items():
        monkeypatch.setattr(ownership, "filesystems", lambda: (["/", "/mnt/x"], []))
        monkeypatch.setattr(calling, "run", lambda *_, answer=answer: answer)
        assert ownership.belongings(me, 7) == said
    monkeypatch.setattr(calling, "run", lambda *_: (0, ""))
    monkeypatch.setattr(ownership, "filesystems", lambda: (["/"], ["/mnt/nas (nfs4)"]))
    assert ownership.belongings(me, 7) == "it may own something in what is not searched: /mnt/nas (nfs4)"


def test_what_it_owns_on_a_mount_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    letter = tmp_path / "mnt/letter"
    letter.parent.mkdir()
    letter.touch()
    monkeypatch.setattr(ownership, "filesystems", lambda: ([str(letter.parent)], []))
    assert ownership.belongings(me, 7) == f"it owns {letter.parent}"
