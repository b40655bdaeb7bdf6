"""The program of the backups is a folder of small modules that import each other by their short names.

Here with folders of the test's own, and without restic.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "roles" / "backup" / "files" / "program"))

import locations
import mounts
import restic


class Restic:
    """Answers in the place of restic, and keeps what it was asked."""

    def __init__(self) -> None:
        """Answer every command with success, until told otherwise."""
        self.asked: list[list[str]] = []
        self.answers: dict[str, tuple[int, str, str]] = {}

    def __call__(self, _: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Answer by the verb."""
        words = [word for word in arguments if not word.startswith("--no-")]
        self.asked.append(words)
        code, out, err = self.answers.get(words[0], (0, "", ""))
        return subprocess.CompletedProcess(words, code, out, err)

    def backs_up(self) -> None:
        """Let a backup go well."""
        summary = {"message_type": "summary", "snapshot_id": "1", "total_files_processed": 1}
        told = {**summary, "total_bytes_processed": 1, "data_added": 1}
        self.answers |= {"backup": (0, json.dumps(told), ""), "snapshots": (0, "[]", "")}

    def said(self, verb: str) -> list[list[str]]:
        """Return what it was asked with this verb."""
        return [words for words in self.asked if words[0] == verb]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program's folders lie in ``tmp_path``."""
    for name in ("FOLDER", "SECRETS", "STATE"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setattr(locations, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(locations, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(locations, "HELD", str(tmp_path / "held"))
    monkeypatch.setattr(locations, "REFUSED", str(tmp_path / "held/refused.json"))
    (tmp_path / "held").mkdir()
    (tmp_path / "held/refused.json").write_text("{}")
    # The test's own folders are not mounted as those that are backed up.
    monkeypatch.setattr(mounts, "follows_links", lambda _: False)
    (tmp_path / "lock").touch()


@pytest.fixture(name="restic")
def _restic(monkeypatch: pytest.MonkeyPatch) -> Restic:
    """Give what stands in for restic."""
    stand_in = Restic()
    monkeypatch.setattr(restic, "run", stand_in)
    return stand_in


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    """Give what a host with a local repository is told; it lies where the program looks for it."""
    (tmp_path / "source").write_text("text")
    made = {
        "host": "web1",
        "url": str(tmp_path / "repository"),
        "path": str(tmp_path / "repository"),
        "server": None,
        "sources": [str(tmp_path / "source")],
        "keep": {"daily": "14d", "weekly": "2m", "monthly": "1y"},
    }
    (tmp_path / "repository").mkdir()
    Path(locations.FOLDER, "orders.json").write_text(json.dumps(made))
    return made


@pytest.fixture
def far(order: dict[str, Any]) -> dict[str, Any]:
    """Give what a host with a repository on a server is told."""
    server = {"name": "203.0.113.50", "port": 22, "user": "depot", "known_hosts": ""}
    return {**order, "url": "sftp://depot@203.0.113.50:22//srv/b/web1", "path": "/srv/b/web1", "server": server}
