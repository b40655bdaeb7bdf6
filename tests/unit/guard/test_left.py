"""What would run in the name of an account that is closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import left

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_jobs_of_cron_and_at_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(left, "CRONTABS", tmp_path / "crontabs")
    monkeypatch.setattr(left, "AT_JOBS", tmp_path / "atjobs")
    assert left.jobs("bob", os.getuid()) == {}
    (tmp_path / "atjobs").mkdir()
    (tmp_path / "crontabs").mkdir()
    (tmp_path / "atjobs/a1").symlink_to("/nowhere")
    (tmp_path / "crontabs/bob").symlink_to("/nowhere")
    expected = {"the crontab": [tmp_path / "crontabs/bob"], "the jobs of at": [tmp_path / "atjobs/a1"]}
    assert left.jobs("bob", os.getuid()) == expected
    assert left.jobs("eve", os.getuid() + 1) == {}


def test_only_the_accounts_set_uid_files_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At any depth, by no link, and nothing else."""
    there, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    deep = there.joinpath(*["d"] * 50)
    deep.mkdir(parents=True)
    elsewhere.mkdir()
    modes = {deep / "a\nb": 0o4755, there / "group": 0o2755, there / "plain": 0o755, elsewhere / "other": 0o4755}
    for path, mode in modes.items():
        path.touch()
        path.chmod(mode)
    (there / "shared").mkdir()
    (there / "shared").chmod(0o2775)
    (there / "link").symlink_to(elsewhere)
    monkeypatch.setattr(left, "OPEN_TO_ALL", (str(there), str(tmp_path / "none")))
    mine = range(os.getuid(), os.getuid() + 1)
    assert left.remove_set_ids([range(os.getuid() + 1, os.getuid() + 9)], check=False) == 0
    assert left.remove_set_ids([mine], check=True) == 2
    assert left.remove_set_ids([range(70000, 70001), mine], check=False) == 2
    assert [path.exists() for path in modes] == [False, False, True, True]
    assert left.remove_set_ids([mine], check=False) == 0
    assert (there / "shared").is_dir()
