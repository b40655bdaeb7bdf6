"""The dated result of `make test-full`, and whether the code that it covers has changed since."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import subprocess
from pathlib import Path

COVERED = ("roles", "action_plugins", "library", "filter_plugins", "lookup_plugins", "playbooks")
PAGE = Path("docs/test-full.md")


def covered_hash(root: Path = Path()) -> str:
    """Return 16 hex digits over names and content of the code that the long tests cover. No pages."""
    digest = hashlib.sha256()
    for folder in COVERED:
        for path in sorted((root / folder).rglob("*")):
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


def record(passed: int, failed: int, skipped: int, seconds: float) -> Path:
    """Write the page and return its path. Seconds are of the whole run."""
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
