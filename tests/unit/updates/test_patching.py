"""What a patch is blamed for, and what was so before it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import apt_state
import maintenance_locks
import old_libraries
import patching
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A host on which nothing is pending; return what the program runs."""
    calls: list[tuple[str, ...]] = []

    def run(*argv: str, seconds: float = 60) -> tuple[int, str]:
        assert seconds
        calls.append(argv)
        return 0, f"words of {argv[2]}"

    @contextlib.contextmanager
    def nobody(*_: object, **__: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(patching, "run", run)
    monkeypatch.setattr(patching, "pending", lambda _: ([], ""))
    monkeypatch.setattr(patching, "_install", lambda *_: [])
    monkeypatch.setattr(patching, "_reboot", lambda _: [])
    monkeypatch.setattr(old_libraries, "restart", lambda: old_libraries.Restarted([], [], [], []))
    monkeypatch.setattr(apt_state, "package_problems", lambda _: [])
    monkeypatch.setattr(apt_state, "full_disk", list)
    monkeypatch.setattr(maintenance_locks, "held", nobody)
    monkeypatch.setattr(maintenance_locks, "no_daily_job", nobody)
    return calls


def test_only_what_failed_since_makes_a_host_unwell(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["backup.service", patching.CHECK], ["backup.service", "holdfast-health.service", "web.service"]])
    monkeypatch.setattr(patching, "failed_units", lambda: next(answers))
    done = patching.install("", [])
    assert done["unwell"] == ["web.service has failed: words of web.service"]
    assert done["lines"][1:] == [
        f"not by this patch: {unit} has failed: words of {unit}"
        for unit in ("backup.service", "holdfast-health.service")
    ]
    assert ran[0] == ("systemctl", "start", patching.CHECK), "its verdict is of before the patch"


def test_only_what_is_wrong_with_packages_since_makes_a_host_unwell(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["held: vim"], ["held: vim", "broken: tar"]])
    monkeypatch.setattr(patching, "failed_units", list)
    monkeypatch.setattr(apt_state, "package_problems", lambda _: next(answers))
    monkeypatch.setattr(apt_state, "full_disk", lambda: ["/ is full"])
    done = patching.install("", [])
    assert done["unwell"] == ["broken: tar", "/ is full"]
    assert done["lines"][1:] == ["not by this patch: held: vim"]
    assert not ran


def test_a_patch_that_went_wrong_mends_no_verdict(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "failed_units", lambda: [patching.CHECK])
    monkeypatch.setattr(patching, "_install", lambda *_: ["openssl"])
    assert patching.install("", [])["unwell"] == ["not installed: openssl"]
    assert ("systemctl", "start", patching.CHECK) not in ran


def test_what_a_restart_did_not_mend_makes_a_host_unwell(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was restarted all the same is told, too."""
    done = old_libraries.Restarted(["web.service"], [], [], ["still running old code: web.service"])
    monkeypatch.setattr(old_libraries, "restart", lambda: done)
    monkeypatch.setattr(patching, "failed_units", list)
    told = patching.install("", [])
    assert told["unwell"] == ["still running old code: web.service"]
    assert "restarted: web.service" in told["lines"]
    assert not ran


def test_what_a_unit_said_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "run", lambda *_: (0, "one\x1b[2J\rok\ntwo\u202e"))
    told = patching._last_words("web.service")
    assert told == r"web.service has failed: one\x1b[2J\rok / two\u202e"


def test_failed_units_by_their_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "must", lambda *_: "Id=web.service\n\nId=run-user-x.mount")
    assert patching.failed_units() == ["web.service", "run-user-x.mount"]
