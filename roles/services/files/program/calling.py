"""Other programs, and what they said."""

from __future__ import annotations

import subprocess


def run(*argv: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it printed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def one_line(text: str) -> str:
    """Return text on one line: what others have written or named could pass for lines of ours, or not be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in " / ".join(text.splitlines()))
