"""Which keys a host may offer, by what is pinned and what was declared."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from verify import test_host_identity as promise
from verify.outcome import NotApplicable

if TYPE_CHECKING:
    from verify.target import Target

A, B = (f"ssh-ed25519 {base64.b64encode(word).decode()}" for word in (b"one", b"another"))


def host(*, offered: list[str], pins: list[str], declared: str | None = None) -> Any:
    """Return a host that offers and declares these keys, known here by those pins."""
    notes: list[str] = []
    keys = [{"fingerprint": promise.fingerprint(f"web1 {key}"), "type": "ED25519"} for key in offered]
    return SimpleNamespace(
        name="web1",
        notes=notes,
        note=notes.append,
        inside=lambda: {"host_keys": keys},
        outside=SimpleNamespace(pins=[pin if pin.startswith("@") else f"web1 {pin}" for pin in pins]),
        expected=SimpleNamespace(host={"ssh": {"host_key": declared}}),
    )


def test_the_declared_key_is_offered() -> None:
    target = host(offered=[A, B], pins=[A, B], declared=A)
    promise.test_declared_key(cast("Target", target))
    assert target.notes == []


def test_a_declared_key_that_no_run_has_replaced_is_missed() -> None:
    """Every key that the host still offers is pinned, so nothing else sees it."""
    target = host(offered=[B], pins=[A, B], declared=A)
    promise.test_every_offered_key_is_pinned(cast("Target", target))
    with pytest.raises(AssertionError, match="is pinned, and the host does not offer it"):
        promise.test_declared_key(cast("Target", target))


def test_a_declared_key_that_a_run_has_replaced_is_noted() -> None:
    target = host(offered=[B], pins=[B], declared=A)
    promise.test_declared_key(cast("Target", target))
    assert "a run has replaced the declared key" in target.notes[0]


def test_without_a_declared_key() -> None:
    with pytest.raises(NotApplicable):
        promise.test_declared_key(cast("Target", host(offered=[A], pins=[A])))


def test_a_revoked_key_is_not_pinned() -> None:
    target = host(offered=[A], pins=[f"@revoked web1 {A}", B])
    with pytest.raises(pytest.fail.Exception, match="is not pinned"):
        promise.test_every_offered_key_is_pinned(cast("Target", target))
