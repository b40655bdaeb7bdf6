"""A commit that locks everybody out, on a machine with a kernel, a disk and a clock of its own."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.hosts import test_guard_faults as faults
from tests.hosts.condition import SCRIPT
from tests.hosts.orders import file, give, lockout

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts.conftest import Target

SECONDS = 40
FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


def attack(seconds: int) -> dict[str, Any]:
    """Lock everybody out, and pass packets on: containers cannot write the kernel's settings."""
    order = lockout(seconds, sysctl=FORWARDING)
    lines = "".join(f"{key} = {value}\n" for key, value in FORWARDING.items())
    order["files"].append(file("/etc/sysctl.d/60-holdfast-forwarding.conf", lines))
    return order


def is_open(target: Target) -> bool:
    """Whether SSH's port takes a connection."""
    try:
        with socket.create_connection((target.host.address, 22), timeout=3):
            return True
    except OSError:
        return False


def arm(target: Target, seconds: int) -> None:
    """Give the order; it is in force afterwards."""
    answer = give(target, attack(seconds))
    assert answer["armed"], answer
    assert not is_open(target)
    assert target.sh("cat /proc/sys/net/ipv4/ip_forward") == "1\n"


@pytest.mark.parametrize("jump", ["+2 days", "-5 days"])
def test_the_clock_jumps_while_armed(target: Target, jump: str) -> None:
    """The host reverts after the seconds that it was given, not after those of the clock on the wall."""
    before = target.sh(SCRIPT)
    began = time.monotonic()
    arm(target, SECONDS)
    armed = time.monotonic()
    target.sh(f"date --set '{jump}'")
    while "reverting" not in target.sh("cat /var/lib/holdfast/guard/log"):
        assert time.monotonic() < armed + SECONDS + 30, "it did not revert in its time"
        time.sleep(1)
    assert time.monotonic() - began >= SECONDS, "it reverted before its time"
    faults.wait_until_back(target)
    assert target.sh(SCRIPT) == before


def test_power_is_lost_while_armed(target: Target) -> None:
    """Nothing is unmounted, what was not flushed is gone: the boot unit puts the host back, exactly."""
    before = target.sh(SCRIPT)
    arm(target, 3600)
    target.host.restart(hard=True)
    faults.wait_until_back(target)
    assert target.sh(SCRIPT) == before
    assert "the host went down" in target.sh("cat /var/lib/holdfast/guard/log")


@pytest.mark.parametrize("what", ["python", "not all"])
def test_power_is_lost_while_the_boot_cannot_put_all_back(target: Target, what: str) -> None:
    """Python broken, or something that does not come back so early: the host comes up and puts back the rest."""
    if what == "python":
        faults.test_restarted_while_python_is_broken(target)
    else:
        faults.test_restarted_while_not_all_comes_back(target)


@pytest.mark.parametrize("step", faults.NOT_YET_ARMED[1:])
def test_killed_before_the_state_is_written(target: Target, step: str) -> None:
    """Nothing is armed then, and nothing but new files is there, for the next commit to sweep."""
    faults.test_killed_at(target, step)


@pytest.mark.parametrize("step", faults.CONFIRM_STEPS)
def test_killed_at_the_commit_point(target: Target, tmp_path: Path, step: str) -> None:
    """On either side of it the commit stays."""
    faults.test_killed_while_it_is_confirmed(target, tmp_path, step)
