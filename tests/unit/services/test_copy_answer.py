"""What the host's half of ``release_copy`` says when it fails is told, and nothing else of it is taken over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.loading import load

if TYPE_CHECKING:
    import pytest

COPY = load(Path(__file__).parents[3] / "action_plugins" / "release_copy.py")


def test_only_the_words_of_a_failure_are_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"name": "blog", "source": "/builds/blog", "place": "/srv/blog/releases/0f1e"}
    answer = {
        "failed": True,
        "msg": "no room",
        "ansible_facts": {"a": 1},
        "warnings": ["w"],
        "diff": 1,
        "exception": "e",
    }
    monkeypatch.setattr(COPY.ActionBase, "run", lambda *_args: {})
    action: Any = object.__new__(COPY.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    monkeypatch.setattr(action, "validate_argument_spec", lambda _spec: (None, {"releases": [entry]}))
    monkeypatch.setattr(action, "_copy", lambda _entry, _variables: answer)
    result = action.run(task_vars={"inventory_hostname": "web1"})
    msg = f"copy the release {entry['place']} from {entry['source']}: no room"
    assert result == {"changed": True, "did": [], "failed": True, "msg": msg}
