"""What the health check cannot see in a container: swap, and a clock of the host's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hosts.test_health import levels
from tests.hosts.test_updates import eventually

from .time_server import time_server, wait_until_synchronized
from .whole_host import EATER

if TYPE_CHECKING:
    from tests.hosts.conftest import Target


def test_swap_and_clock(target: Target) -> None:
    """Swap that fills up and a clock that follows nobody are warnings, until they are mended."""
    clock, swap = ("clock", "host"), ("swap", "host")
    assert levels(target, clock, swap) == ["success", "warn", "ok"]
    size = int(target.sh("swapon --show=SIZE --bytes --noheadings")) >> 20
    eater = ["python3", "-c", EATER, str(size * 3 // 4)]
    target.host.exec(["systemd-run", "--quiet", "--unit=eater", "--property=MemoryMax=48M", *eater])
    assert eventually(target, "journalctl -u eater -o cat | grep -qx full")
    assert levels(target, clock, swap) == ["success", "warn", "warn"]
    target.sh("systemctl stop eater")

    with time_server(target):
        target.sh("systemctl restart systemd-timesyncd")
        wait_until_synchronized(target)
        assert levels(target, clock, swap) == ["success", "ok", "ok"]
    target.sh("date --set '+1 hour'")
    assert levels(target, clock) == ["success", "warn"]
