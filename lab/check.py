"""The stages of `make test`: each timed, all run even when one fails, a table and one plain line at the end.

Quick stages run one after the other. The long ones mostly wait for hosts, so a few of them run at once, the longest
first, and each of their lines says whose it is.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import full_result
from lab.images import RELEASES, SWAP
from lab.progress import LabError

CODE = (
    "lab",
    "verify",
    "tests",
    "filter_plugins",
    "lookup_plugins",
    "library",
    "module_utils",
    "action_plugins",
    "callback_plugins",
    "roles",
    "tools",
)
# What long stages use beside the code that they cover and their own test files.
GROUND = (
    "examples",
    "inventories",
    "lab",
    "molecule",
    "requirements",
    "tests/breakers",
    "tests/hosts/playbooks",
)
# The files of tests/hosts that are no part of the stage of that name.
APART = {
    "test_breakers.py": "promises",
    "test_verify.py": "promises",
    "test_ipv6_only.py": "promises",
    "test_guard_faults.py": "guard",
    "test_lockout.py": "guard",
    "test_drift.py": "guard",
    "test_faults.py": "faults",
    "test_base.py": "whole host",
    "test_resolvers.py": "whole host",
    "test_updates.py": "whole host",
    "test_services.py": "whole host",
    "test_egress.py": "whole host",
    "test_backup.py": "whole host",
    "test_health.py": "whole host",
    "test_fileset.py": "whole host",
    "test_adopt.py": "whole host",
}
# A scenario whose hosts do the same on each release: nothing is new when they swap.
ALIKE = "default"
# All of it takes too long for each commit.
LONG = "faults"
COUNTS = re.compile(r"(\d+) (passed|failed|skipped|error)")
FAILURE = re.compile(r"(FAILED|ERROR) \S+::")


@dataclass
class Stage:
    """One command.

    ``pytest`` tells that its closing line counts single tests; other commands count as one. ``at_once``: may run beside
    others, but not beside those of the same ``lane``, where it has one. ``always``: judges every file there is, so that
    an earlier pass says nothing.
    """

    name: str
    argv: list[str]
    pytest: bool = False
    at_once: bool = False
    lane: str = ""
    always: bool = False


@dataclass
class Result:
    """How a stage ended: exit code, wall seconds, how many tests passed, failed or were skipped, and what failed.

    ``before``: when, if that was in an earlier run.
    """

    name: str
    code: int
    seconds: float
    counts: dict[str, int]
    failures: list[str]
    before: str = ""

    @property
    def verdict(self) -> str:
        """The exit code as one word."""
        return "passed" if self.code == 0 else "FAILED"


def present(*paths: str) -> list[str]:
    """Return those of the paths that exist in the project."""
    return [path for path in paths if Path(path).exists()]


def python_code() -> list[str]:
    """Return the folders that hold Python."""
    return [folder for folder in CODE if any(Path(folder).rglob("*.py"))]


def pytest_stage(name: str, *arguments: str, lane: str = "", always: bool = False) -> Stage:
    """Return a stage that runs pytest with those arguments, beside others."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return Stage(name, argv, pytest=True, at_once=True, lane=lane, always=always)


def scenario(name: str, *environment: str) -> Stage:
    """Return a stage that runs a scenario of molecule, which has one lab and one folder however it is run."""
    argv = [*(["env", *environment] if environment else []), "molecule", "test", "-s", name]
    known = f"molecule {name}"
    return Stage(f"{known} swapped" if environment else known, argv, at_once=True, lane=known)


def host_parts(folder: Path) -> dict[str, list[str]]:
    """Return the test files of the folder in parts that take about as long as each other."""
    parts: dict[str, list[str]] = {"hosts": [], **{part: [] for part in dict.fromkeys(APART.values())}}
    for path in sorted(folder.glob("test_*.py")):
        parts[APART.get(path.name, "hosts")].append(str(path))
    return parts


def stages(what: str) -> list[Stage]:
    """Return the stages of "lint", "unit", "vm", "all" or "full". Raises LabError for another name."""
    code = python_code()
    lint = [
        Stage("ruff format", ["ruff", "format", "--check", "--quiet", *code]),
        Stage("ruff", ["ruff", "check", "--quiet", *code]),
        Stage("mypy", ["mypy", "--no-error-summary"]),
        Stage(
            "yamllint",
            ["yamllint", "-s", *present(".github", ".gitlab-ci.yml", ".config", "inventories", "playbooks", "roles")],
        ),
        Stage("ansible-lint", ["ansible-lint", "--offline", "-q"], at_once=True, always=True),
    ]
    unit = [pytest_stage("unit and render", "-m", "not full", *present("tests/unit", "tests/render"), always=True)]
    if what == "lint":
        return lint
    if what == "unit":
        return unit
    # One machine at a time: an emulated processor is a whole one of this machine's.
    vm = [
        pytest_stage(f"machines {release}", "--release", release, "tests/vm", lane="machines") for release in RELEASES
    ]
    if what == "vm":
        return vm
    if what not in {"all", "full"}:
        raise LabError(f"no such check: {what!r}; there are lint, unit, vm, all and full")
    full = what == "full"
    chosen = [] if full else ["-m", "not full"]
    hosts = [
        pytest_stage(f"{part} {release}", *chosen, "--durations=10", "--release", release, *files)
        for part, files in host_parts(Path("tests/hosts")).items()
        if full or part != LONG
        for release in RELEASES
    ]
    scenarios = sorted(path.parent.name for path in Path("molecule").glob("*/molecule.yml"))
    molecule = [scenario(name) for name in scenarios]
    swapped = [scenario(name, f"{SWAP}=1") for name in scenarios if full and name != ALIKE]
    return [*lint, *(vm if full else []), *hosts, *molecule, *swapped, *unit]


def carry_out(stage: Stage) -> Result:
    """Run one stage, print what it says, and return how it ended."""
    mark = f"{stage.name} | " if stage.at_once else ""
    print(f"--- {stage.name}", flush=True)
    env = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        # As in an interactive shell: each Ansible start costs a second more without byte code.
        "PYTHONDONTWRITEBYTECODE": "",
        # pytest cuts the reasons of its failures to the width of the terminal.
        **({"COLUMNS": "300"} if stage.pytest else {}),
    }
    began = time.monotonic()
    tail = ""
    said: list[str] = []
    try:
        process = subprocess.Popen(
            stage.argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        said = [f"{stage.argv[0]} is not installed: run `make setup`"]
        print(said[0])
        code = 127
    else:
        with process:
            for line in process.stdout or ():
                print(mark + line, end="", flush=True)
                tail = line if COUNTS.search(line) else tail
                # pytest lists its failures by name; of another command the last lines are what there is.
                if FAILURE.match(line) or not stage.pytest:
                    said = [*said, line.rstrip()][0 if stage.pytest else -3 :]
        code = process.returncode
    counts = {word: int(number) for number, word in COUNTS.findall(tail)} if stage.pytest else {}
    if not counts or (code and not counts.get("failed", 0) + counts.get("error", 0)):
        counts["passed" if code == 0 else "failed"] = counts.get("failed", 0) + 1
    result = Result(stage.name, code, time.monotonic() - began, counts, said if code else [])
    if stage.at_once:
        print(f"--- {stage.name}: {result.verdict} after {result.seconds:.0f} s", flush=True)
    return result


def with_imported_tests(places: list[str]) -> list[str]:
    """Return the files of tests in those places, and of those in tests/hosts whose parts they use."""
    found = [
        path for place in map(Path, places) for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
    ]
    for path in found:
        if path.suffix == ".py":
            words = re.findall(r"(?m)^from .*?\b(test_\w+)", path.read_text(encoding="utf-8"))
            others = [Path("tests/hosts", f"{word}.py") for word in words]
            found += [other for other in dict.fromkeys(others) if other.exists() and other not in found]
    return [*places, *map(str, found)]


def seen_by(stage: Stage) -> str:
    """Return the hash over the covered code, the stage's own test files, and what all stages stand on."""
    helpers = [str(path) for path in Path("tests/hosts").rglob("*.py") if not path.name.startswith("test_")]
    own = with_imported_tests(present(*stage.argv[1:]))
    return full_result.covered_hash(also=[*GROUND, "tests/conftest.py", *sorted(helpers), *own])


def carry_out_once(stage: Stage, record: full_result.Record) -> Result:
    """Run one stage, unless it has passed before with the code and the tests that are here; keep how it ended."""
    seen = seen_by(stage)
    if stage.at_once and not stage.always and (found := record.passed(stage.name, seen)):
        print(f"--- {stage.name}: passed on {found.date} with this code, not run again", flush=True)
        return Result(stage.name, 0, found.seconds, found.counts, [], found.date)
    result = carry_out(stage)
    if result.code == 0 and seen_by(stage) == seen:  # what changed meanwhile was not tested
        record.add(stage.name, result.counts, result.seconds, seen)
    else:
        record.fail(stage.name)
    return result


def in_lanes(wanted: list[Stage]) -> list[list[Stage]]:
    """Return the stages that may run beside others, those together that may not run beside each other."""
    found: dict[str, list[Stage]] = {}
    for stage in wanted:
        if stage.at_once:
            found.setdefault(stage.lane or stage.name, []).append(stage)
    return list(found.values())


def run(what: str) -> int:
    """Run the stages of ``what`` from the project's root and return the exit code: 0 when all passed, else 1."""
    began = time.monotonic()
    wanted = stages(what)
    one = carry_out
    if what == "full":
        record = full_result.Record(full_result.PAGE, {stage.name: seen_by(stage) for stage in wanted})
        one = functools.partial(carry_out_once, record=record)
    done = {stage.name: one(stage) for stage in wanted if not stage.at_once}
    lanes = int(os.environ.get("HOLDFAST_LANES") or (os.cpu_count() or 1) + 1)
    with ThreadPoolExecutor(lanes) as pool:
        for results in pool.map(lambda lane: [one(stage) for stage in lane], in_lanes(wanted)):
            done |= {result.name: result for result in results}
    results = [done[stage.name] for stage in wanted]
    passed, failed, skipped = (
        sum(result.counts.get(word, 0) for result in results for word in words)
        for words in (("passed",), ("failed", "error"), ("skipped",))
    )
    width = max(len(result.name) for result in results)
    print()
    for result in results:
        print(f"{result.name:<{width}}  {result.verdict}  {result.seconds:7.1f} s  {result.before}".rstrip())
    print(f"{'all':<{width}}          {time.monotonic() - began:7.1f} s")
    for result in results:
        for line in result.failures:
            print(f"{result.name} | {line}")
    if what == "full":
        print(f"recorded in {full_result.PAGE}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
