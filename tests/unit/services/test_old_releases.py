"""Which releases are removed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import old_releases

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_copy_that_was_killed_is_removed_once_no_run_is_at_work_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "releases"
    for name in ("kept", "old", ".killed.new"):
        (folder / name / "deep").mkdir(parents=True)
    (folder / ".gitkeep").touch()
    old_releases.sweep(str(folder), ["kept"])
    assert {path.name for path in folder.iterdir()} == {"kept", ".killed.new", ".gitkeep"}
    later = time.time() + old_releases.COPY_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: later)
    old_releases.sweep(str(folder), ["kept"])
    assert {path.name for path in folder.iterdir()} == {"kept", ".gitkeep"}
    old_releases.sweep(str(tmp_path / "none"), [])
