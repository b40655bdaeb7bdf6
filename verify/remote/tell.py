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
    """Text of a file, every byte of its lines' ends as it is; empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as stream:
            return stream.read()
    except OSError:
        return ""


def lines_of(text: str) -> list[str]:
    """The lines of a text as those take them who wrote it: ended by a line feed alone.

    Another end that Python knows, a carriage return for one, may be of somebody's own choice, in the name of a process,
    a mount or a file: what follows would pass for a line of the kernel's.
    """
    return text.removesuffix("\n").split("\n") if text else []


def printable(text: str) -> str:
    """A name that a stranger may have chosen, for people: what would move a cursor or begin a line is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def json_of(argv: list[str]) -> Any:
    """Output of a command that prints JSON; None when it fails."""
    code, out, _ = run(argv)
    try:
        return json.loads(out) if code == 0 else None
    except ValueError:
        return None
