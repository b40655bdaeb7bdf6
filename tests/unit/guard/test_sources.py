"""Files of a role that are put on hosts as they are: one, or a folder of them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

# What Jinja would take for its own.
TEXT = "print('{{ no template }}')  # ä\n\n"
ODD = ("a.py~", ".a.py.swp", "#a.py#", "a.py.orig", "4913", "__pycache__/a.cpython-311.pyc")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    for name in ("tool", "program/a.py", "program/b.py", *(f"program/{odd}" for odd in ODD)):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n{TEXT}")
    return FakeHost(tmp_path)


def staged(host: FakeHost, *entries: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Path, mode and text of what the entries are made into."""
    text = host.play(
        {"guard_stage": {"concern": "own", "files": list(entries)}},
        {"ansible.builtin.copy": {
            "content": "{{ (ansible_facts.guard_staged.values() | first).own }}",
            "dest": str(host.folder / "staged"),
        }, "delegate_to": "localhost", "connection": "local"},
    )  # fmt: skip
    assert (host.folder / "staged").exists(), text
    files = json.loads((host.folder / "staged").read_text())["files"]
    return [(one["path"], one["mode"], base64.b64decode(one["data"]).decode()) for one in files]


def test_a_file_comes_as_it_is(host: FakeHost) -> None:
    assert staged(host, {"path": "/usr/bin/tool", "source": "tool", "mode": "0755"}) == [
        ("/usr/bin/tool", 0o755, f"# tool\n{TEXT}")
    ]


def test_of_a_folder_each_file_comes_and_nothing_that_an_editor_left(host: FakeHost) -> None:
    assert staged(host, {"path": "/usr/lib/x", "source": "program"}) == [
        (f"/usr/lib/x/{name}", 0o644, f"# program/{name}\n{TEXT}") for name in ("a.py", "b.py")
    ]


def test_what_cannot_be_meant_is_named(host: FakeHost) -> None:
    text = host.play({"guard_stage": {"concern": "own", "files": [{"path": "/usr/lib/x", "source": "none.py"}]}})
    assert "/usr/lib/x: Could not find or access 'none.py'" in text, text
    (host.folder / "files/empty").mkdir()
    text = host.play({"guard_stage": {"concern": "own", "files": [{"path": "/usr/lib/x", "source": "empty"}]}})
    assert "files/empty has no Python module" in text, text
    twice = [{"path": "/usr/lib/x/a.py", "content": "x"}, {"path": "/usr/lib/x", "source": "program"}]
    text = host.play({"guard_stage": {"concern": "own", "files": twice}})
    assert "/usr/lib/x/a.py is listed twice" in text, text
    both = {"path": "/usr/lib/x", "source": "tool", "content": "x"}
    text = host.play({"guard_stage": {"concern": "own", "files": [both]}})
    assert "mutually exclusive: template|content|source" in text, text
