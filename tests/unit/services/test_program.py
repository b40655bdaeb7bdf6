"""The host's program of the services: where it looks for what an account owns, and how it asks whether a part is up."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@pytest.mark.parametrize("odd", ["\r", "\x0b", "\x1c", "\u0085", "\u00a0", "\u2028", "\udcff"], ids=ascii)
def test_the_name_of_a_mount_is_never_taken_for_more_than_one_word(
    program: ModuleType, tmp_path: Path, odd: str
) -> None:
    """Whoever may mount names the place; the kernel quotes what it parts words and lines by, and nothing more."""
    mount = f"34 22 0:70 / /mnt/a{odd}b rw - tmpfs tmpfs rw\n"
    (tmp_path / "self/mountinfo").write_bytes((MOUNTS.lstrip() + mount).encode(errors="surrogateescape"))
    assert program.filesystems()[0][-1] == f"/mnt/a{odd}b"


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

    def retire(_name: str, _record: object, seconds: int) -> str:
        given.append(seconds)
        return ""

    monkeypatch.setattr(program, "retire", retire)
    program.settle(1)
    assert len(given) == 8
    assert sum(given) <= program.SEARCH_SECONDS


@pytest.mark.parametrize("odd", ["\n", "\r", "\u0085", "\u2028", "\udcff"], ids=ascii)
def test_what_an_account_owns_speaks_for_nobody(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    """A line that begins with `not up:` fails the run for another service; a file may be named like one."""
    monkeypatch.setattr(program, "by_name", lambda place: {"gone": {}} if place == program.RECORDS else {})
    monkeypatch.setattr(program, "retire", lambda *_: f"gone stays: it owns /x{odd}not up: blog: it is down")
    program.settle(1)
    said = capsys.readouterr().out
    assert said.isascii()
    assert [line.partition(":")[0] for line in said.splitlines()] == ["gone stays"]


class Door:
    """A part that answers in its own way, as its health is asked for."""

    def __init__(self, *words: bytes, pause: float) -> None:
        """Say the words one after the other, and again from the first, until it is left."""
        self.words, self.pause, self.over = words, pause, threading.Event()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self._answer)

    def _answer(self) -> None:
        caller, _ = self.door.accept()
        with caller:
            try:
                for word in self.words:
                    caller.sendall(word)
                while not self.over.wait(self.pause):
                    caller.sendall(b"x")
            except OSError:
                return

    def __enter__(self) -> Door:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.door.close()


def asked(program: ModuleType, door: Door) -> tuple[str, float]:
    """Ask for the health of a part; return what was answered, and how long that took."""
    began = time.monotonic()
    service = program.Service("blog", {"release": "0", "parts": [], "schedules": [], "secrets": []}, {})
    answer = service.ask({"role": "web", "port": door.port, "health": "/healthz"})
    return answer, time.monotonic() - began


@pytest.fixture
def hasty(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Give the program, with less time for an answer."""
    monkeypatch.setattr(program, "ASK_SECONDS", 0.5, raising=False)
    return program


def test_a_part_that_answers_in_drops_is_not_waited_for(hasty: ModuleType) -> None:
    """The time is one for the whole question: a byte now and then does not prolong it."""
    with Door(pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(hasty, door)
    assert (answer, seconds < 2) == ("timed out", True), seconds


def test_an_answer_that_never_ends_is_one(hasty: ModuleType) -> None:
    """The status tells; a stream of events may follow it."""
    with Door(b"HTTP/1.1 20", b"0 OK\r\nContent-Type: text/event-stream\r\n\r\n", pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(hasty, door)
    assert (answer, seconds < 2) == ("200", True), seconds


def test_a_line_that_never_ends_is_no_http(hasty: ModuleType) -> None:
    with Door(b"x" * 5000, pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(hasty, door)
    assert (answer, seconds < 2) == ("no HTTP", True), seconds


def test_a_copy_that_was_killed_is_removed_once_no_run_is_at_work_on_it(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "releases"
    for name in ("kept", "old", ".killed.new"):
        (folder / name / "deep").mkdir(parents=True)
    (folder / ".gitkeep").touch()
    program.sweep_releases(str(folder), ["kept"])
    assert {path.name for path in folder.iterdir()} == {"kept", ".killed.new", ".gitkeep"}
    later = time.time() + program.COPY_SECONDS + 1
    monkeypatch.setattr(program.time, "time", lambda: later)
    program.sweep_releases(str(folder), ["kept"])
    assert {path.name for path in folder.iterdir()} == {"kept", ".gitkeep"}
    program.sweep_releases(str(tmp_path / "none"), [])
