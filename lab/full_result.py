"""The dated result of `make test-full`, and whether the code that it covers has changed since.

The run takes an hour. A stage that passed is kept for the code that it saw, in ``.holdfast/full/``, so that a run which
was stopped, or of which one stage failed for a reason outside that code, goes on where it is.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

COVERED = ("roles", "action_plugins", "library", "filter_plugins", "lookup_plugins", "playbooks")
PAGE = Path("docs/test-full.md")
KEPT = Path(".holdfast/full")


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


def kept(stage: str, code: str) -> dict[str, Any] | None:
    """Return what :func:`keep` has kept of a stage and of code of that hash, if it has."""
    path = KEPT / f"{stage} {code}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def keep(stage: str, code: str, seconds: float, counts: dict[str, int]) -> None:
    """Keep a stage that has passed: how long it took, and its tests by outcome."""
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{stage} {code}.json"
    path.write_text(json.dumps({"seconds": seconds, "counts": counts, "date": today}), encoding="utf-8")


def record(passed: int, failed: int, skipped: int, seconds: float, before: dict[str, str] | None = None) -> Path:
    """Write the page and return its path.

    :param seconds: of the whole run.
    :param before: stages that were not run again, since they had passed with this code, and when that was.
    """
    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = " with uncommitted changes" if git("status", "--porcelain", "--", *COVERED) else ""
    lines = (
        "# The last long test",
        "",
        "Written by `make test-full`: all of `make test`, and what takes too long for each commit. `make unit` says",
        "when the code below is no longer the one that was tested, `pytest tests/unit --strict-full` fails for it.",
        "",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        f"- commit: {commit}{changed}",
        f"- result: {passed} passed, {failed} failed, {skipped} skipped",
        f"- time: {seconds / 60:.0f} minutes on {os.cpu_count()} cores",
        f"- code ({', '.join(COVERED)}): {covered_hash()}",
        *(
            f"- passed with this code before, and not run again: {name} ({when})"
            for name, when in (before or {}).items()
        ),
        "",
    )
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    return PAGE


def complaint(page: Path, now: str) -> str:
    """Return what is wrong with the recorded result for code whose hash is ``now``; an empty text when nothing is."""
    if not page.exists():
        return f"docs/{page.name} is missing: `make test-full` was never run to its end"
    fields = dict(re.findall(r"(?m)^- (\w+)[^:\n]*: (.*)$", page.read_text(encoding="utf-8")))
    if not re.search(r"\b0 failed\b", fields.get("result", "")):
        return f"the last `make test-full` ({fields.get('date')}) did not pass: {fields.get('result')}"
    if fields.get("code") != now:
        return f"the code is newer than the last `make test-full` ({fields.get('date')}, commit {fields.get('commit')})"
    return ""
