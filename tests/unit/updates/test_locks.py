"""Who is in the way, and how long he is waited for."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import maintenance_locks
import pytest
from commands import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have no lock of apt's but this one, and little patience."""
    path = str(tmp_path / "lock")
    monkeypatch.setattr(maintenance_locks, "APT_LOCKS", (str(tmp_path / "missing"), path))
    monkeypatch.setattr(maintenance_locks, "DAILY_LOCK", str(tmp_path / "daily"))
    monkeypatch.setattr(maintenance_locks, "PAUSE", 0.01)
    return path


@pytest.fixture
def other(lock: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the lock until its standard input ends."""
    argv = [sys.executable, "-c", HOLD, lock]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        process.stdout.readline()
        yield process


def test_apt_is_waited_for(lock: str, other: subprocess.Popen[bytes]) -> None:
    with pytest.raises(Problem, match=rf"apt was not used: python\S* \(process {other.pid}\) was at work"):
        maintenance_locks.wait_for_apt(0.05)
    other.communicate()
    assert maintenance_locks.holder(lock) == ""
    maintenance_locks.wait_for_apt(0)


@pytest.mark.usefixtures("lock")
def test_the_hosts_own_job_is_waited_for_and_waits() -> None:
    path = Path(maintenance_locks.DAILY_LOCK)
    with maintenance_locks.no_daily_job(0):
        assert not path.exists(), "a listing changes nothing on the host"
    with path.open("w", encoding="utf-8") as job:
        with maintenance_locks.no_daily_job(0), pytest.raises(BlockingIOError):
            fcntl.flock(job, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(job, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(Problem, match="the host's own job"), maintenance_locks.no_daily_job(0):
            pytest.fail("it did not wait")
