"""Which processes are an account's, whatever they call themselves."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import running
from host import GuardError

if TYPE_CHECKING:
    from pathlib import Path

BOB = pwd.struct_passwd(("bob", "x", 1001, 1001, "", "/home/bob", "/bin/bash"))
ROOTS = "0::/init.scope\n"
RENAMED = "import ctypes, time; ctypes.CDLL(None).prctl(15, {!r}, 0, 0, 0); print(flush=True); time.sleep(60)"
HEADLESS = """import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print(flush=True)
ctypes.CDLL(None).pthread_exit(None)"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with the first process, and no subordinate number."""
    monkeypatch.setattr(running, "PROC", tmp_path)
    monkeypatch.setattr(running, "SUBORDINATE", tmp_path / "subuid")
    show(tmp_path, 1, uid=0, cgroup=ROOTS)
    (tmp_path / "self").symlink_to("1")
    return tmp_path


def show(
    proc: Path, pid: int, *, uid: int = 1001, cgroup: str = "0::/a", space: str = "host", state: str = "S"
) -> None:
    """Make what the kernel shows of a process."""
    (proc / f"{pid}/ns").mkdir(parents=True)
    (proc / f"{pid}/ns/pid").symlink_to(f"pid:[{space}]")
    uids = "\t".join([str(uid)] * 4)
    (proc / f"{pid}/status").write_text(f"Name:\tx\nState:\t{state} (x)\nUid:\t{uids}\nThreads:\t1\n")
    (proc / f"{pid}/cgroup").write_bytes(cgroup.encode())


@pytest.mark.parametrize(
    ("namespace", "cgroup", "counts"),
    [
        ("host", "/user.slice/user-1001.slice/session-4.scope", True),
        ("host", "/docker/f00/system.slice/cron.service", True),
        ("other", "/system.slice/docker-f00.scope", False),
        ("other", "/kubepods.slice/kubepods-pod1.slice/cri-containerd-f00.scope", False),
        # A container with a systemd of its own, whose user of that number has a session.
        ("other", "/system.slice/docker-f00.scope/user.slice/user-1001.slice/session-4.scope", False),
        ("other", "/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-f00.scope", True),
        ("other", "/user.slice/user-1000.slice/user@1000.service/docker/f00", True),  # somebody else lends it a place
        ("other", "/user.slice/user-1001.slice/user@1001.service/x\r0::/system.slice/docker-f00.scope", True),
        ("other", "/user.slice/user-1000.slice/x\r0::/system.slice/docker-f00.scope", True),
        ("other", "/system.slice/cron.service", True),  # `unshare --pid` of a job of the account's own
    ],
)
def test_a_containers_process_with_the_same_number_is_not_the_accounts(
    proc: Path, namespace: str, cgroup: str, *, counts: bool
) -> None:
    show(proc, 42, cgroup=f"0::{cgroup}\n", space=namespace)
    assert running.processes(BOB) == ({42} if counts else set())


@pytest.mark.parametrize(
    ("cgroup", "counts"),
    [("/docker/f00/system.slice/cron.service", True), ("/docker/f00/system.slice/docker-ba5.scope", False)],
)
def test_a_host_that_is_a_container_itself(proc: Path, cgroup: str, *, counts: bool) -> None:
    """Its engine is not taken for one that runs on it."""
    (proc / "1/cgroup").write_text("0::/\n9:name=systemd:/docker/f00/init.scope\n")
    show(proc, 42, cgroup=f"0::/\n9:name=systemd:{cgroup}\n", space="other")
    assert running.processes(BOB) == ({42} if counts else set())


@pytest.mark.parametrize("lead", ["", "/docker/f00"])
def test_what_runs_in_a_session_is_the_accounts_whatever_its_number(proc: Path, lead: str) -> None:
    (proc / "1/cgroup").write_text(f"0::{lead}/init.scope\n")
    show(proc, 42, uid=0, cgroup=f"0::{lead}/user.slice/user-1001.slice/session-4.scope\n")
    show(proc, 43, uid=0, cgroup=f"0::{lead}/user.slice/user-10010.slice/session-5.scope\n")
    show(proc, 44, uid=0, cgroup=f"0::{lead}/user.slice/user-1001.slice/session-4.scope\n", state="Z")
    assert running.processes(BOB) == {42}


def test_containers_of_the_account_run_as_subordinate_numbers(proc: Path) -> None:
    (proc / "subuid").write_bytes(b"bob:100000:65536\nodd\n\xff:x:1\neve:165536:65536\n1001:300000:10\n")
    for pid, uid in ((41, 99999), (42, 100000), (43, 165535), (44, 165536), (45, 300009)):
        show(proc, pid, uid=uid)
    assert running.processes(BOB) == {42, 43, 45}


@pytest.mark.parametrize("lines", ["bob:100000:65536\neve:165535:65536\n", "bob:1000:100000\n", "bob:0:4294967295\n"])
def test_numbers_that_are_others_too_are_nobodys(proc: Path, lines: str) -> None:
    """What a careless line says of them would end what others run, or the system."""
    (proc / "subuid").write_text(lines)
    show(proc, 42, uid=100000)
    assert running.processes(BOB) == set()


@pytest.mark.parametrize(
    "code",
    [*map(RENAMED.format, (b"x\rState:\tZ", b"x\rUid:\t9 9", b"x\nState:\tZ", b"x\nUid:\t9 9", b"\xff")), HEADLESS],
)
def test_no_process_hides_by_its_name(code: str) -> None:
    """Real ones; the last one's first thread has ended."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        time.sleep(0.1)
        try:
            assert child.pid in running.processes(pwd.getpwuid(os.getuid()))
        finally:
            child.kill()


def test_a_process_that_has_ended_is_nobodys() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert child.pid not in running.processes(pwd.getpwuid(os.getuid()))


def test_a_run_does_not_end_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names of one number, say."""
    monkeypatch.setattr(running, "processes", lambda _: {os.getpid()})
    monkeypatch.setattr("os.kill", lambda *_: pytest.fail("it ends something"))
    with pytest.raises(GuardError, match="this very run is part of a session"):
        running.end(BOB)


def test_lingering_that_comes_back_while_something_runs_is_ended_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    left = [{7}, {7}, set()]
    (tmp_path / "bob").touch()
    monkeypatch.setattr(running, "LINGER", tmp_path)
    monkeypatch.setattr(running, "ask", lambda *command: asked.append(" ".join(command)))
    monkeypatch.setattr("os.kill", lambda *_: (tmp_path / "bob").touch())
    monkeypatch.setattr(running, "processes", lambda _: left.pop(0) if left else set())
    running.end(BOB)
    assert not running.lingers("bob")
    assert "systemctl --no-block stop user-1001.slice" in asked
