"""What systemd knows of units, and what it is told to do with them."""

from __future__ import annotations

import glob
import os

import calling
import layout

LAST_WORDS = 8


class NotUpError(Exception):
    """A unit did not come up; the message says why."""


def systemctl(*words: str) -> str:
    """Run systemctl; return what it complained of, nothing when all went well."""
    code, text = calling.run("systemctl", "--quiet", *words)
    return text or f"exit code {code}" if code else ""


def show(unit: str) -> dict[str, str]:
    """What systemd knows of a unit."""
    keys = (
        "ActiveState,SubState,MainPID,Result,ExecMainCode,ExecMainStatus,"
        "ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
    )
    return dict(
        line.split("=", 1) for line in calling.run("systemctl", "show", "-p", keys, unit)[1].splitlines() if "=" in line
    )


def runs(unit: str) -> bool:
    """Whether a unit runs, or is about to."""
    return show(unit)["ActiveState"] in ("active", "activating", "reloading")


def instances(template: str, kind: str) -> set[str]:
    """Instances of a template that run, have failed or are enabled."""
    listed = calling.run("systemctl", "list-units", "--all", "--plain", "--no-legend", f"{template}@*.{kind}")[1]
    linked = glob.glob(f"{layout.UNITS}/*.wants/{glob.escape(template)}@*.{kind}")
    return {line.split()[0] for line in listed.splitlines() if line} | {os.path.basename(path) for path in linked}


def end(units: set[str]) -> None:
    """Stop and disable units, also those whose files are gone."""
    if not units:
        return
    systemctl("stop", *sorted(units))
    links = [link for unit in units for link in glob.glob(f"{layout.UNITS}/*.wants/{glob.escape(unit)}")]
    for link in links:
        os.unlink(link)
    systemctl("reset-failed", *sorted(units))
    if links:
        systemctl("daemon-reload")  # or systemd remembers units for the sake of links that are gone


def last_words(unit: str) -> str:
    """What a unit said last."""
    calling.run("journalctl", "--sync")
    return calling.run("journalctl", "-u", unit, "-n", str(LAST_WORDS), "-o", "cat", "--no-pager")[1]


def ended(unit: str, result: str) -> NotUpError:
    """What is told of a unit that has ended, with its last words."""
    return NotUpError(f"{unit} ended ({result}). It said last:\n{last_words(unit)}")
