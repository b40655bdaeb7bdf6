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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a role and a place for the page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    role = tmp_path / "roles/ssh/tasks/main.yml"
    role.parent.mkdir(parents=True)
    role.write_text("---\n", encoding="utf-8")
    return tmp_path


def complaint() -> str:
    return full_result.complaint(full_result.PAGE, full_result.covered_hash())


def run(*stages: check.Stage, of: tuple[str, ...] = ()) -> list[check.Result]:
    record = full_result.Record(
        full_result.PAGE, {**dict.fromkeys(of, ""), **{one.name: check.seen_by(one) for one in stages}}
    )
    return [check.carry_out_once(stage, record) for stage in stages]


def test_newer_code_is_noticed(project: Path) -> None:
    good = check.Stage("good", ["true"], at_once=True)
    assert "never run" in complaint()
    run(good)
    assert complaint() == ""
    role = project / "roles/ssh/tasks/main.yml"
    role.with_name("README.md").write_text("generated", encoding="utf-8")
    assert complaint() == ""
    role.write_text("---\n# new\n", encoding="utf-8")
    assert "newer than the last" in complaint()
    run(good, of=("another",))
    assert "not run yet: another" in complaint()
    run(good, check.Stage("another", ["false"], at_once=True))
    assert "failed: another" in complaint()
    # What passed with other code does not count for this one.
    run(good, check.Stage("another", ["true"], at_once=True))
    assert complaint() == ""
    role.write_text("---\n# newest\n", encoding="utf-8")
    record = full_result.Record(
        full_result.PAGE, {"good": full_result.covered_hash(), "another": full_result.covered_hash()}
    )
    record.add("another", {"passed": 1}, 1, full_result.covered_hash())
    assert "not run yet: good" in complaint()


@pytest.mark.parametrize("place", ["verify/test_kernel.py", "callback_plugins/calls.py", "ansible.cfg"])
def test_what_judges_and_what_the_runs_are_told_count(project: Path, place: str) -> None:
    path = project / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("# old\n", encoding="utf-8")
    run(check.Stage("good", ["true"], at_once=True))
    assert complaint() == ""
    path.write_text("# new\n", encoding="utf-8")
    assert "newer than the last" in complaint()


def test_a_stage_is_kept_for_the_code_that_it_saw(project: Path) -> None:
    stage = check.Stage("counted", ["sh", "-c", "echo x >> runs"], at_once=True)
    runs = project / "runs"
    assert [result.code for _ in range(2) for result in run(stage)] == [0, 0]
    assert runs.read_text(encoding="utf-8") == "x\n"
    assert run(stage)[0].before
    (project / "roles/new.yml").write_text("---\n", encoding="utf-8")
    assert not run(stage)[0].before
    assert run(stage)[0].before
    assert runs.read_text(encoding="utf-8") == "x\nx\n"


def test_a_mended_test_is_run_again(project: Path) -> None:
    (project / "test_it").write_text("exit 0", encoding="utf-8")
    mended = check.Stage("mended", ["sh", "test_it"], at_once=True)
    run(mended)
    (project / "test_it").write_text("exit 0 # as it should", encoding="utf-8")
    assert not run(mended)[0].before


def test_a_stage_sees_the_tests_that_it_uses(project: Path) -> None:
    used, between = project / "tests/hosts/test_used.py", project / "tests/hosts/test_between.py"
    own = project / "tests/vm/test_own.py"
    for path, text in (
        (used, ""),
        (between, "from .test_used import a\n"),
        (own, "from tests.hosts import test_between\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stage = check.Stage("using", ["true", "tests/vm"], at_once=True)
    run(stage)
    assert run(stage)[0].before
    used.write_text("# new\n", encoding="utf-8")
    assert not run(stage)[0].before


@pytest.mark.parametrize("command", ["exit 1", "echo '# newer' >> roles/new.yml"])
def test_what_failed_or_saw_changing_code_is_run_again(project: Path, command: str) -> None:
    assert project.is_dir()
    stage = check.Stage("again", ["sh", "-c", command], at_once=True)
    assert not run(stage)[0].before
    assert not run(stage)[0].before
    assert complaint()


@pytest.mark.usefixtures("project")
def test_what_judges_every_file_runs_each_time() -> None:
    run(check.Stage("long", ["true"], at_once=True))
    assert run(check.Stage("long", ["true"], at_once=True))[0].before
    run(check.Stage("all files", ["true"], at_once=True, always=True))
    assert not run(check.Stage("all files", ["true"], at_once=True, always=True))[0].before


def test_what_lab_hosts_run_and_are_attacked_with_counts(project: Path) -> None:
    stage = check.Stage("long", ["true"], at_once=True)
    for place in ("examples/notes/serve", "tests/hosts/playbooks/attack.yml"):
        path = project / place
        path.parent.mkdir(parents=True)
        path.write_text("old", encoding="utf-8")
        before = check.seen_by(stage)
        path.write_text("new", encoding="utf-8")
        assert check.seen_by(stage) != before, place
