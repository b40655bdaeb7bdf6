"""Pinning on the controller: added before the commit, alone after it, in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

OLD, NEW = "ssh-rsa AAAAold", "ssh-ed25519 AAAAnew"


def test_the_old_key_stays_beside_the_new_one(action: ModuleType) -> None:
    text, added, removed = action.pin(f"web1 {OLD} trusted on first use\n", "web1", [NEW, OLD], alone=False)
    assert text.splitlines()[0] == f"web1 {OLD} trusted on first use"
    assert text.splitlines()[1].startswith(f"web1 {NEW} ")
    assert (added, removed) == ([NEW], [])


def test_after_the_commit_the_new_one_is_alone(action: ModuleType) -> None:
    kept = f"# note\n@revoked web1 {OLD}\n"
    text, added, removed = action.pin(f"{kept}web1 {OLD}\nweb1 {NEW} x\n", "web1", [NEW], alone=True)
    assert text == f"{kept}web1 {NEW} x\n"
    assert (added, removed) == ([], [OLD])


@pytest.mark.parametrize(
    "who", ["@cert-authority *", "@cert-authority web1", "*", "web2", "web1,web2", "|1|c2FsdA==|aA=="]
)
def test_after_the_commit_nothing_speaks_for_other_names(action: ModuleType, who: str) -> None:
    """Before it stays what is there: the way in may hang on it."""
    before = f"web1 {NEW} x\n{who} {NEW}\n"
    assert action.pin(before, "web1", [NEW], alone=False) == (before, [], [])
    assert action.pin(before, "web1", [NEW], alone=True) == (f"web1 {NEW} x\n", [], [f"{who} {NEW}"])


def test_pinning_twice_changes_nothing(action: ModuleType) -> None:
    once, _, _ = action.pin("", "web1", [NEW, OLD, NEW], alone=True)
    assert action.pin(once, "web1", [NEW, OLD], alone=True) == (once, [], [])
    assert len(once.splitlines()) == 2


def test_the_file_is_replaced_whole(action: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts" / "web1"
    action.write(str(path), "a\n")
    action.write(str(path), "b\n")
    assert path.read_text() == "b\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["web1"]
