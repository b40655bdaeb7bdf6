"""Running other programs, reading what the kernel tells, and the one way to fail with a message for people."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

SETTINGS = "/etc/holdfast/updates.json"
# What an unattended run needs and nobody else: see roles/updates/templates/unattended.conf.j2.
APT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "APT_CONFIG": "/etc/holdfast/updates-apt.conf"}
LOCK_WAIT = ("-o", "DPkg::Lock::Timeout=300")


class Problem(Exception):  # noqa: N818  told to people, not caught by name
    """What somebody has to mend, in one message."""


def run(*argv: str, seconds: float = 60) -> tuple[int, str]:
    """Run a program in English; return its exit code and all that it printed."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            env={**os.environ, **APT},
        )
    except FileNotFoundError:
        return 127, f"{argv[0]}: not installed"
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(argv)}: no end after {seconds:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def must(*argv: str, seconds: float = 60) -> str:
    """Run a program that has to succeed; return what it printed."""
    code, text = run(*argv, seconds=seconds)
    if code:
        raise Problem(f"{' '.join(argv)}: exit code {code}: {' / '.join(text.splitlines()[-4:])}")
    return text


def kernel_text(path: str) -> str:
    """Text of a file in /proc, whose lines end where the kernel ends them: split it at line feeds alone.

    Names in it are chosen by whoever has the process, and of a line's ends the kernel escapes this one alone. Python
    would take a dozen others for one, the carriage return among them, and believe a line that a file's name holds.
    """
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        return handle.read()


def printable(text: str) -> str:
    """Text for people of which a stranger chose some: what would move a cursor or begin a line is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def properties(unit: str, *names: str) -> dict[str, str]:
    """What systemd says of a unit; times in seconds since 1970, as `@…`."""
    text = must("systemctl", "show", "--timestamp=unix", "-p", ",".join(names), "--", unit)
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


def settings() -> dict[str, Any]:
    """What the inventory declared."""
    with open(SETTINGS, encoding="utf-8") as handle:
        found: dict[str, Any] = json.load(handle)
    return found
