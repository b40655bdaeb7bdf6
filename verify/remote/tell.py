"""What the programs that run on a host share: a command's answer, a file's text."""

from __future__ import annotations

import json
import subprocess
from typing import Any

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def run(argv: list[str], seconds: float = 20) -> tuple[int, str, str]:
    """Run one command; a missing program answers 127, one that hangs 124."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=False, env=ENV)
    except FileNotFoundError:
        return 127, "", f"{argv[0]}: not found"
    except subprocess.TimeoutExpired:
        return 124, "", f"{argv[0]}: no answer in {seconds} s"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def read(path: str) -> str:
    """Text of a file, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def json_of(argv: list[str]) -> Any:
    """Output of a command that prints JSON; None when it fails."""
    code, out, _ = run(argv)
    try:
        return json.loads(out) if code == 0 else None
    except ValueError:
        return None
