"""The dated result of `make test-full`, stage by stage, and whether the code that it covers has changed since.

The run takes more than an hour. Each stage is written down as soon as it has passed, with a hash of what it saw, so
that a run which was stopped, or of which one stage failed for a reason outside that code, goes on where it is: on
another machine too.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COVERED = (
    "roles",
    "action_plugins",
    "library",
    "module_utils",
    "filter_plugins",
    "lookup_plugins",
    "callback_plugins",
    "playbooks",
    "verify",
    "ansible.cfg",
)
PAGE = Path("docs/test-full.md")
ROW = re.compile(
    r"(?m)^\| (?P<name>[^|]+) \| (?P<counts>[^|]+) \| (?P<seconds>\d+) \| (?P<date>[^|]+) \| (?P<code>\w+) \|$"
)


def covered_hash(root: Path = Path(), also: Iterable[str] = ()) -> str:
    """Return 16 hex digits over names and content of the code that the long tests cover. No pages.

    :param also: more files and folders that count.
    """
    digest = hashlib.sha256()
    for place in (*COVERED, *also):
        for path in sorted((root / place, *(root / place).rglob("*"))):
            inside = path.relative_to(root)
            hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
            if hidden or path.suffix in {".md", ".pyc"} or not path.is_file():
                continue
            digest.update(f"{inside}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def git(*arguments: str) -> str:
    """Return what git says, an empty text where it says nothing."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass
class Passed:
    """A stage that passed.

    ``counts``: its tests by outcome. ``date``: when it ended. ``code``: :func:`covered_hash` over what it saw, with its
    own tests.
    """

    counts: dict[str, int]
    seconds: float
    date: str
    code: str


class Record:
    """The page, kept up to date while the stages run."""

    def __init__(self, page: Path, stages: Mapping[str, str]) -> None:
        """:param stages: names of all that have to pass, each with the :func:`covered_hash` of what it will see."""
        self._page = page
        self._stages = stages
        self._failed: set[str] = set()
        self._writing = threading.Lock()
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        self._passed = {
            found["name"]: Passed(
                {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", found["counts"])},
                float(found["seconds"]),
                found["date"],
                found["code"],
            )
            for found in ROW.finditer(text)
            if stages.get(found["name"]) == found["code"]
        }

    def passed(self, stage: str, code: str) -> Passed | None:
        """Return how the stage passed with just this code, if it has."""
        found = self._passed.get(stage)
        return found if found and found.code == code else None

    def add(self, stage: str, counts: dict[str, int], seconds: float, code: str) -> None:
        """Note a stage that has just passed."""
        with self._writing:
            self._failed.discard(stage)
            self._passed[stage] = Passed(
                counts, seconds, f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC", code
            )
            self._write()

    def fail(self, stage: str) -> None:
        """Note a stage that has just failed, or that saw code which was changed meanwhile."""
        with self._writing:
            self._failed.add(stage)
            self._passed.pop(stage, None)
            self._write()

    def _result(self) -> str:
        """Return the whole in a line; only when all have passed it says `0 failed`."""
        rows = [self._passed[name] for name in self._stages if name in self._passed]
        passed, skipped = (sum(row.counts.get(word, 0) for row in rows) for word in ("passed", "skipped"))
        if self._failed:
            return f"{passed} passed; failed: {', '.join(sorted(self._failed))}"
        if missing := [name for name in self._stages if name not in self._passed]:
            return f"{passed} passed; not run yet: {', '.join(missing)}"
        return f"{passed} passed, 0 failed, {skipped} skipped"

    def _write(self) -> None:
        changed = " with uncommitted changes" if git("status", "--porcelain", "--", *COVERED) else ""
        rows = {name: self._passed[name] for name in self._stages if name in self._passed}
        tests = {
            name: ", ".join(f"{number} {word}" for word, number in row.counts.items()) for name, row in rows.items()
        }
        lines = (
            "# The last long test",
            "",
            "Written by `make test-full`: all of `make test`, and what takes too long for each commit. A stage that",
            "has passed is not run again while the code and its tests stay what they were. `make unit` says when the",
            "code below is no longer the one that was tested, `pytest tests/unit --strict-full` fails for it.",
            "",
            f"- date: {max((row.date for row in rows.values()), default='')}",
            f"- commit: {git('rev-parse', '--short=12', 'HEAD') or 'unknown'}{changed}",
            f"- result: {self._result()}",
            f"- cores: {os.cpu_count()}",
            f"- code ({', '.join(COVERED)}): {covered_hash()}",
            "",
            "| stage | tests | seconds | ended | saw |",
            "|---|---|---|---|---|",
            *(
                f"| {name} | {tests[name]} | {row.seconds:.0f} | {row.date} | {row.code} |"
                for name, row in rows.items()
            ),
            "",
        )
        self._page.write_text("\n".join(lines), encoding="utf-8")


def complaint(page: Path, now: str) -> str:
    """Return what is wrong with the recorded result for code whose hash is ``now``; an empty text when nothing is."""
    if not page.exists():
        return f"docs/{page.name} is missing: `make test-full` was never run"
    fields = dict(re.findall(r"(?m)^- (\w+)[^:\n]*: (.*)$", page.read_text(encoding="utf-8")))
    if fields.get("code") != now:
        return f"the code is newer than the last `make test-full` ({fields.get('date')}, commit {fields.get('commit')})"
    if not re.search(r"\b0 failed\b", fields.get("result", "")):
        return f"the last `make test-full` ({fields.get('date')}) did not pass: {fields.get('result')}"
    return ""
