"""The stages of `make test`: each timed, all run even when one fails, a table and one plain line at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab.progress import LabError

CODE = (
    "lab",
    "verify",
    "tests",
    "filter_plugins",
    "library",
    "action_plugins",
    "module_utils",
    "callback_plugins",
    "roles",
    "tools",
)
COUNTS = re.compile(r"(\d+) (passed|failed|skipped|error)")


@dataclass
class Stage:
    """One command. ``pytest`` tells that its closing line counts single tests; other commands count as one."""

    name: str
    argv: list[str]
    pytest: bool = False


def present(*paths: str) -> list[str]:
    """Return those of the paths that exist in the project."""
    return [path for path in paths if Path(path).exists()]


def python_code() -> list[str]:
    """Return the folders that hold Python."""
    return [folder for folder in CODE if any(Path(folder).rglob("*.py"))]


def pytest_stage(name: str, *arguments: str) -> Stage:
    """Return a stage that runs pytest with those arguments."""
    return Stage(name, [sys.executable, "-m", "pytest", "-q", *arguments], pytest=True)


def stages(what: str) -> list[Stage]:
    """Return the stages of "lint", "unit", "all" or "full". Raises LabError for another name."""
    code = python_code()
    lint = [
        Stage("ruff format", ["ruff", "format", "--check", "--quiet", *code]),
        Stage("ruff", ["ruff", "check", "--quiet", *code]),
        Stage("mypy", ["mypy", "--no-error-summary"]),
        Stage(
            "yamllint",
            ["yamllint", "-s", *present(".github", ".gitlab-ci.yml", ".config", "inventories", "playbooks", "roles")],
        ),
        Stage("ansible-lint", ["ansible-lint", "--offline", "-q"]),
    ]
    unit = [pytest_stage("unit and render", "-m", "not full", *present("tests/unit", "tests/render"))]
    if what == "lint":
        return lint
    if what == "unit":
        return unit
    if what not in {"all", "full"}:
        raise LabError(f"no such check: {what!r}; there are lint, unit, all and full")
    full = what == "full"
    scenarios = sorted(path.parent.name for path in Path("molecule").glob("*/molecule.yml"))
    hosts = [Stage(f"molecule {name}", ["molecule", "test", "-s", name]) for name in scenarios]
    if present("tests/hosts"):
        hosts.append(pytest_stage("hosts", *([] if full else ["-m", "not full"]), "tests/hosts"))
    return [*lint, *unit, *hosts]


def run(what: str) -> int:
    """Run the stages of ``what`` from the project's root and return the exit code: 0 when all passed, else 1."""
    rows: list[tuple[str, str, float]] = []
    total = {"passed": 0, "failed": 0, "skipped": 0}
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "MOLECULE_GLOB": "molecule/*/molecule.yml"}
    for stage in stages(what):
        print(f"--- {stage.name}", flush=True)
        began = time.monotonic()
        tail = ""
        try:
            process = subprocess.Popen(stage.argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except FileNotFoundError:
            print(f"{stage.argv[0]} is not installed: run `make setup`")
            code = 127
        else:
            with process:
                for line in process.stdout or ():
                    print(line, end="", flush=True)
                    tail = line if COUNTS.search(line) else tail
            code = process.returncode
        counts = {word: int(number) for number, word in COUNTS.findall(tail)} if stage.pytest else {}
        if not counts or (code and not counts.get("failed", 0) + counts.get("error", 0)):
            counts["passed" if code == 0 else "failed"] = counts.get("failed", 0) + 1
        total["passed"] += counts.get("passed", 0)
        total["failed"] += counts.get("failed", 0) + counts.get("error", 0)
        total["skipped"] += counts.get("skipped", 0)
        rows.append((stage.name, "passed" if code == 0 else "FAILED", time.monotonic() - began))
    width = max(len(name) for name, _, _ in rows)
    print()
    for name, verdict, seconds in rows:
        print(f"{name:<{width}}  {verdict}  {seconds:7.1f} s")
    print(f"{'all':<{width}}          {sum(seconds for _, _, seconds in rows):7.1f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0
