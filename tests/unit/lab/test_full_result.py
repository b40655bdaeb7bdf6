"""The result of the long tests belongs to the code that is here."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from lab import check, full_result

ROOT = Path(__file__).parents[3]


def test_the_long_tests_saw_this_code(request: pytest.FixtureRequest) -> None:
    """Said in the summary, not a failure: nobody should need the long tests for each commit."""
    said = full_result.complaint(ROOT / full_result.PAGE, full_result.covered_hash(ROOT))
    if said and request.config.getoption("--strict-full"):
        pytest.fail(said)
    if said:
        warnings.warn(said, UserWarning, stacklevel=1)


def test_newer_code_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    role = tmp_path / "roles/ssh/tasks/main.yml"
    role.parent.mkdir(parents=True)
    role.write_text("---\n", encoding="utf-8")
    assert "never run" in full_result.complaint(full_result.PAGE, full_result.covered_hash())
    page = full_result.record(200, 0, 3, 1200)
    assert full_result.complaint(page, full_result.covered_hash()) == ""
    role.with_name("README.md").write_text("generated", encoding="utf-8")
    assert full_result.complaint(page, full_result.covered_hash()) == ""
    role.write_text("---\n# new\n", encoding="utf-8")
    assert "newer than the last" in full_result.complaint(page, full_result.covered_hash())
    page = full_result.record(200, 1, 3, 1200)
    assert "200 passed, 1 failed" in full_result.complaint(page, full_result.covered_hash())


def test_a_stage_is_kept_for_the_code_that_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = check.Stage("counted", ["sh", "-c", "echo x >> runs"])
    assert [check.carry_out_once(stage).code for _ in range(2)] == [0, 0]
    assert Path("runs").read_text(encoding="utf-8") == "x\n"
    assert check.carry_out_once(stage).before
    Path("roles").mkdir()
    Path("roles/new.yml").write_text("---\n", encoding="utf-8")
    assert not check.carry_out_once(stage).before
    assert check.carry_out_once(stage).before
    assert Path("runs").read_text(encoding="utf-8") == "x\nx\n"
    Path("test_it").write_text("exit 0", encoding="utf-8")
    mended = check.Stage("mended", ["sh", "test_it"])
    check.carry_out_once(mended)
    Path("test_it").write_text("exit 0 # as it should", encoding="utf-8")
    assert not check.carry_out_once(mended).before
    # What failed, and what the code was changed under, is run again.
    for command in ("exit 1", "echo '# newer' >> roles/new.yml"):
        again = check.Stage("again", ["sh", "-c", command])
        assert not check.carry_out_once(again).before
        assert not check.carry_out_once(again).before
