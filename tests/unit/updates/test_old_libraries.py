"""What a process may choose makes nobody believe that it runs replaced code; what really was replaced is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import commands
import maintenance_locks
import old_libraries
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# What text processing may take for the end of a line, and the kernel does not escape.
ENDS = ["\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
# Map a file that may be run, delete it where asked, take a name and wait.
MAPPER = """import ctypes, mmap, os, sys
handle = open(sys.argv[1], "rb")
kept = mmap.mmap(handle.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
handle.close()
if sys.argv[2] == "delete":
    os.unlink(sys.argv[1])
ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[3]), 0, 0, 0)
print(flush=True)
input()
"""
NAME = "\x1b[2J\rroot: ok\n"

real = pytest.mark.skipif(not old_libraries.are_shown(), reason="only root may look at what others have mapped")


@pytest.fixture
def start() -> Iterator[Callable[..., int]]:
    """Start a process that maps a file: its path, what to do with it, and words before Python's."""
    begun = []

    def begin(path: str, *, delete: bool = True, before: tuple[str, ...] = ()) -> int:
        argv = [*before, sys.executable, "-c", MAPPER, path, "delete" if delete else "keep", NAME]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begun.append(process)
        assert process.stdout
        assert process.stdout.readline(), "it has not begun"
        return process.pid

    yield begin
    for process in begun:
        process.communicate()


def believed(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> dict[int, old_libraries.Old]:
    """Which of these processes are said to run replaced code."""
    every = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [*map(str, pids)] if path == "/proc" else every(path))
    return {one.pid: one for one in old_libraries.look()}


def file(path: Path, number: int = 0) -> str:
    """Make a file of an account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"code" * 1024)
    if number:
        os.chown(path, number, number)
    return str(path)


@pytest.mark.parametrize("end", ENDS)
def test_no_line_of_a_process_s_own(end: str, tmp_path: Path, start: Callable[..., int]) -> None:
    """A folder whose name ends the line of the maps, for a reader who takes it so, and begins another."""
    pid = start(file(tmp_path / f"a{end}0-1 r-xp 0 0:0 1 " / "usr" / "lib" / "x.so"))
    maps = commands.kernel_text(f"/proc/{pid}/maps")
    assert "/usr/lib/x.so (deleted)" in maps
    assert list(old_libraries.suspects(maps)) == []


@real
def test_only_roots_files_are_code_of_the_host(
    tmp_path: Path, start: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_libraries, "CODE", re.compile(f"^{re.escape(str(tmp_path))}/"))
    old = start(file(tmp_path / "old.so"))
    own = start(file(tmp_path / "own.so", 65534))
    named = start(file(tmp_path / "named.so (deleted)"), delete=False)
    found = believed([old, own, named], monkeypatch)
    assert list(found) == [old]
    assert found[old].path == str(tmp_path / "old.so")
    assert str(found[old]).startswith(r"\x1b[2J\rroot: ok\n (")
    assert str(found[old]).isprintable()


@real
@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_a_mount_of_its_own_is_no_disk_of_the_hosts(
    kind: str, tmp_path: Path, start: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may make name spaces has files where he likes, and in an overlay even root's."""
    monkeypatch.setattr(old_libraries, "CODE", re.compile(f"^{re.escape(str(tmp_path))}/"))
    code, room = tmp_path / "code", tmp_path / "room"
    path = file(code / "x.so")
    room.mkdir()
    layers = f"lowerdir={code},upperdir={room}/upper,workdir={room}/work"
    begin = {
        "tmpfs": f"cp {path} {room}; mount -t tmpfs none {code}; cp {room}/x.so {code}",
        "overlay": f"""mount -t tmpfs none {room}; mkdir {room}/upper {room}/work
            mount -t overlay -o userxattr,{layers} none {code}""",
    }[kind]
    pid = start(path, before=("unshare", "-rm", "sh", "-ec", f'{begin}; exec "$@"', "sh"))
    assert [one for _, one in old_libraries.suspects(commands.kernel_text(f"/proc/{pid}/maps"))] == [path]
    assert not believed([pid], monkeypatch)


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ({}, True),
        ({"st_uid": 1000}, False),
        ({"st_dev": 9}, False),
        ({"st_nlink": 1}, False),
        ({"st_nlink": 1, "st_dev": 7}, False),
        ({"st_nlink": 1, "st_dev": 8}, True),
    ],
)  # fmt: skip
def test_what_tells_it(changed: dict[str, int], gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's, on the disk of its folder, and without a name; on an overlay the names are not counted."""
    device = 8 if changed.get("st_dev") == 8 else 7
    files = {
        "/proc/5/map_files/1-2": SimpleNamespace(**{"st_uid": 0, "st_dev": 7, "st_nlink": 0, **changed}),
        "/usr/lib": SimpleNamespace(st_dev=device),
    }
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/usr/lib")
    monkeypatch.setattr(os, "stat", lambda path: files[path])
    found = old_libraries.is_gone("/proc/5/map_files/1-2", "/usr/lib/sample/gone/x.so", {8})
    monkeypatch.undo()
    assert found == gone


def test_what_is_unmapped_meanwhile_is_nothing() -> None:
    assert not old_libraries.is_gone("/proc/self/map_files/1-2", "/usr/lib/x.so", set())


def test_overlays_are_told_by_the_kernels_own_words() -> None:
    """A place's name is no kind of file system."""
    mounts = (
        "21 1 0:111 / / rw,relatime - overlay overlay rw,lowerdir=/a\n"
        "22 1 0:7 / /run/x\\040-\\040overlay\r23\x0b1 rw - fuse overlay rw\n"
    )
    assert old_libraries.overlay_disks(mounts) == {os.makedev(0, 111)}


def test_who_has_a_lock_is_told_in_one_line(tmp_path: Path) -> None:
    """A process's name is its own choice."""
    path = str(tmp_path / "lock")
    hold = (
        "import ctypes, fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        " ctypes.CDLL(None).prctl(15, sys.argv[2].encode(), 0, 0, 0); print(flush=True); input()"
    )
    argv = [sys.executable, "-c", hold, path, NAME]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        assert maintenance_locks.holder(path) == rf"\x1b[2J\rroot: ok\n (process {other.pid})"
        other.communicate()


@pytest.mark.parametrize("text", ["ß (a) 日本", "web@1.service: /usr/lib/x.so"])
def test_what_people_can_read_stays(text: str) -> None:
    assert commands.printable(text) == text


def test_a_process_that_may_not_be_looked_at_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root in a container without CAP_SYS_PTRACE is refused those that have more rights."""
    real_link = os.readlink

    def readlink(path: str) -> str:
        if path.startswith("/proc/") and not path.startswith("/proc/self/"):
            raise PermissionError(13, "Permission denied", path)
        return real_link(path)

    monkeypatch.setattr(os, "readlink", readlink)
    assert old_libraries.look() == []
