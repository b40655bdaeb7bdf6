"""What the controller takes from the logins by which it tries to confirm a commit."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.loading import load

if TYPE_CHECKING:
    import pytest

commit = load(Path(__file__).parents[3] / "action_plugins" / "guard_commit.py")
LATE = {"outcome": "ok", "stdout": '{"failed": true, "msg": "nothing to confirm: it was not confirmed in time"}'}
CUT = {"outcome": "no answer", "stdout": "", "stderr": "connect to host 192.0.2.1 port 22: Connection timed out"}


def prove(monkeypatch: pytest.MonkeyPatch, *replies: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Try to confirm while the logins go as these."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    action = commit.ActionModule.__new__(commit.ActionModule)
    for name in ("_task", "_connection", "_play_context", "_loader", "_templar"):
        monkeypatch.setattr(action, name, None, raising=False)
    coming = iter({**reply} for reply in replies)
    door = SimpleNamespace(login=lambda **_login: next(coming))
    action._shared_loader_obj = SimpleNamespace(action_loader=SimpleNamespace(get=lambda *_, **_more: door))
    order = {"id": "0123", "seconds": 60}
    found: tuple[list[str], dict[str, Any]] = action._prove(order, {"user": "oper", "port": 22}, time.monotonic())
    return found


def test_a_login_after_the_host_put_itself_back_hides_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try that began behind a closed firewall may end when it is open again."""
    tries, last = prove(monkeypatch, CUT, CUT, LATE)
    assert last == CUT
    assert [said.partition(" s ")[2] for said in tries] == ["no answer", "no answer", "reverted already"]


def test_a_first_login_that_comes_too_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(monkeypatch, LATE)[1]["outcome"] == "reverted already"


def test_a_login_that_confirms_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(monkeypatch, CUT, {"outcome": "ok", "stdout": '{"confirmed": "0123"}'})[1]["outcome"] == "ok"


def test_the_greeting_of_ssh_is_no_reason() -> None:
    said = (
        "Failed to connect to the host via ssh: OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19 27 Jan 2026\n"
        "oper@192.0.2.1: Permission denied (publickey)."
    )
    assert commit.NOISE.sub("", said) == "oper@192.0.2.1: Permission denied (publickey)."
    assert commit.NOISE.sub("", "Failed to connect to the host via ssh: no route") == "no route"
