"""Names that anybody may choose (of a process, a mount, a file) make no promise green, and break no look at a host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from verify import test_listeners
from verify.remote import ground, inside, services, tell
from verify.test_mounts import lacking

if TYPE_CHECKING:
    from pathlib import Path

    from verify.target import Target

ENDS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"]
LISTEN = """import ctypes, os, socket, sys
door = socket.create_server(("0.0.0.0", 0))
ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[1]), 0, 0, 0)
print(door.getsockname()[1], flush=True)
input()
"""
# fusermount mounts where an account likes. A space in the place's name is escaped, and these are taken for one.
OWN = "99 24 0:50 / /home/bob/a{end}1{space}1{space}0:1{space}/{space}/tmp{space}rw,nosuid,nodev rw - fuse.x x rw\n"
BARE = """24 1 254:1 / / rw - ext4 /dev/vda1 rw
31 24 0:9 / /tmp rw - tmpfs tmpfs rw
32 24 0:8 / /dev/shm rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize("end", ENDS[1:])
@pytest.mark.parametrize("space", ["\x0b", "\x1f", "\xa0", "\u2003"])
def test_a_mounts_name_is_no_option_of_another(
    end: str, space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_bytes((BARE + OWN.format(end=end, space=space)).encode())
    monkeypatch.setattr(ground, "read", lambda _: tell.read(str(listed)))
    assert "/tmp is mounted without nodev, nosuid" in lacking(ground.mounts())
    assert len(ground.mounted()) == 4


def test_the_place_of_a_mount_is_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set-uid programs are looked for there."""
    listed = tmp_path / "mountinfo"
    listed.write_text("24 1 254:1 / /mnt/a\\040b\\134c\xa0d rw - ext4 /dev/vda1 rw\n", encoding="utf-8")
    monkeypatch.setattr(ground, "read", lambda _: tell.read(str(listed)))
    assert ground.mounted() == [("/mnt/a b\\c\xa0d", "ext4", ["rw"])]


def test_set_uid_programs_by_their_whole_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after a line's end in one is no other file, and is told in one line."""
    file = tmp_path / "a b\n" / "usr" / "bin" / "sudo"
    file.parent.mkdir(parents=True)
    file.touch()
    file.chmod(0o4755)
    monkeypatch.setattr(ground, "mounted", lambda: [(str(tmp_path), "ext4", ["rw"])])
    monkeypatch.setattr(ground, "is_out_of_reach", lambda _path: False)
    assert ground.setuid_files() == [[rf"{tmp_path}/a b\n/usr/bin/sudo"]]


@pytest.mark.skipif(not shutil.which("ss"), reason="there is no ss here")
@pytest.mark.parametrize("end", [*ENDS[:5], '"', '",pid=1,fd=3))', ""])
def test_a_process_s_name_is_no_listener(end: str) -> None:
    """Nor does it hide its own, nor pass for another's process."""
    name = (end + "tcp a 0 0 x:22")[:15]
    process = subprocess.Popen([sys.executable, "-c", LISTEN, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        found = inside.listeners()
    finally:
        process.communicate()
    ours = [one for one in found if one["port"] == port]
    assert [(one["proto"], one["address"]) for one in ours] == [("tcp", "0.0.0.0")]
    assert not [one for one in found if one["address"] == "x" or one["port"] == 0]
    assert ours[0]["program"] == ("" if end == "\n" else tell.printable(name))
    assert ours[0]["uid"] == (None if end == "\n" else os.getuid())
    assert isinstance(test_listeners.is_local(ours[0]), bool)


def test_whose_a_socket_is_stands_behind_all_names() -> None:
    """One version of ss cuts a name at its bracket, and the next one need not."""
    start = "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* "
    told = start + 'users:(("",pid=1,fd=3))",pid=7,fd=3),("sshd",pid=8,fd=4))  \n'
    assert inside.holders(told) == {("tcp", "0.0.0.0:22"): "8"}
    assert inside.holders(start + 'users:(("",pid=1,fd=3))",pid=7,fd=3))\n') == {("tcp", "0.0.0.0:22"): "7"}
    assert inside.holders('tcp a 0 0 *:22",pid=7,fd=3))\n' + start) == {}


def test_only_roots_sshd_is_sshd() -> None:
    """At a port above 1023 anybody may wait, and call himself so."""

    def target(uid: int | None) -> Target:
        one: dict[str, Any] = {"proto": "tcp", "address": "0.0.0.0", "interface": "", "port": 2222}
        listener = {**one, "program": "sshd", "uid": uid}
        expected = SimpleNamespace(port=2222, listens=[])
        return cast("Target", SimpleNamespace(inside=lambda: {"listeners": [listener]}, expected=expected))

    test_listeners.test_ssh_listens(target(0))
    for uid in (1000, None):
        with pytest.raises(AssertionError, match="nothing of sshd listens on port 2222"):
            test_listeners.test_ssh_listens(target(uid))


def test_the_account_of_a_process_is_not_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/proc/7/comm": "a\rUid:\t0\n", "/proc/7/status": "Name:\ta\rUid:\t0\nUid:\t1000\t0\t0\t0\n"}
    monkeypatch.setattr(inside, "read", texts.__getitem__)
    assert inside.process("7") == (r"a\rUid:\t0", 1000)
    assert inside.process("") == ("", None)


def test_only_systemd_tells_of_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every account writes into the journal what it likes, message ids and ends of lines among it."""
    asked: list[list[str]] = []

    def run(argv: list[str]) -> str:
        asked.append(argv)
        return '{"UNIT":"web\x85@1.service"}\n{"UNIT":"api@1.service"}\n'

    monkeypatch.setattr(services, "run", run)
    assert services.killed_for_memory() == ["api@1.service", "web\x85@1.service"]
    assert "_PID=1" in asked[0]


def test_lines_end_where_their_writer_ends_them() -> None:
    text = "one\rtwo\x85\n\nthree\n"
    assert tell.lines_of(text) == ["one\rtwo\x85", "", "three"]
    assert tell.lines_of("") == []
    assert not re.search(r"[\r\x85\x1b]", tell.printable("one\rtwo\x85\x1b[2J"))
