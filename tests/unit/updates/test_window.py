"""A host is back when its window closes: that of the next host of the group may open then."""

from __future__ import annotations

import contextlib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import maintenance_locks
import old_libraries
import pytest
import reboot_need
import updates
from commands import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTES = 10


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host that has to be rebooted. ``waits`` and ``restarts``: how many seconds of its clock that takes.

    ``wrong``: what the restarts did not mend.
    """
    host = SimpleNamespace(now=0.0, waits=0.0, restarts=0.0, commands=[], wrong=[])

    @contextlib.contextmanager
    def held(seconds: float, *, apt: bool) -> Iterator[None]:
        assert apt
        if host.waits > seconds:
            raise Problem("nothing was restarted")
        host.now += host.waits
        yield

    def restart() -> SimpleNamespace:
        host.now += host.restarts
        return SimpleNamespace(units=[], reboot=["init"], wrong=host.wrong)

    monkeypatch.setattr(updates, "settings", lambda: {"window_minutes": MINUTES, "reboot": True})
    monkeypatch.setattr(time, "monotonic", lambda: host.now)
    monkeypatch.setattr(maintenance_locks, "held", held)
    monkeypatch.setattr(old_libraries, "restart", restart)
    monkeypatch.setattr(reboot_need, "reasons", list)
    monkeypatch.setattr(updates, "must", lambda *argv: host.commands.append(argv))
    return host


def test_somebody_is_waited_for_and_the_reboot_comes(clock: SimpleNamespace) -> None:
    """Who is at work for half of the window takes nothing from it."""
    clock.waits = MINUTES * 30
    updates.window()
    assert clock.commands == [("systemctl", "reboot")]


def test_nobody_is_waited_for_until_the_very_end(clock: SimpleNamespace) -> None:
    """With the reboot after it two hosts of a group would be away at once."""
    clock.waits = MINUTES * 60 - 1
    with pytest.raises(Problem, match="nothing was restarted"):
        updates.window()
    assert not clock.commands


def test_no_reboot_near_the_end(clock: SimpleNamespace) -> None:
    """Restarts that took too long leave it for the next window, and the unit says so."""
    clock.restarts = MINUTES * 60 - 1
    with pytest.raises(Problem, match="comes in the next one: runs old code: init"):
        updates.window()
    assert not clock.commands


def test_what_runs_old_code_because_it_chooses_to_keeps_no_host_from_its_reboot(clock: SimpleNamespace) -> None:
    """The unit fails all the same, and says what it was."""
    clock.wrong = ["restarted, and still running old code: web.service"]
    with pytest.raises(Problem, match="still running old code: web"):
        updates.window()
    assert clock.commands == [("systemctl", "reboot")]


def test_it_is_told_also_where_no_reboot_comes(clock: SimpleNamespace) -> None:
    clock.restarts, clock.wrong = MINUTES * 60 - 1, ["still running old code: web.service"]
    with pytest.raises(Problem, match="runs old code: init; still running old code: web"):
        updates.window()
