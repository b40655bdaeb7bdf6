"""Unit states of a commit: enabled, active, masked."""

from __future__ import annotations

import os
from typing import Any

from host import GuardError, run

ENABLED = ("enabled", "enabled-runtime", "static", "indirect", "generated", "alias")
ACTIVE = ("active", "reloading", "activating")
GIVEN_UP = "/run/holdfast-given-up"  # a handler names a unit here that it could not bring up, and tells of it


def states(names: list[str]) -> dict[str, dict[str, str]]:
    """LoadState, ActiveState and UnitFileState of each unit, in one call."""
    if not names:
        return {}
    code, text = run("systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", *names)
    if code:
        raise GuardError(f"systemctl show {' '.join(names)}: {text}")
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    return dict(zip(names, blocks, strict=True))


def _steps(unit: dict[str, Any], now: dict[str, str]) -> list[list[str]]:
    """The systemctl verbs that take a unit from one state to the declared one."""
    name, steps = unit["name"], []
    masked = now["LoadState"] == "masked" or now["UnitFileState"].startswith("masked")
    if unit.get("masked") is not None and unit["masked"] != masked:
        steps.append(["mask" if unit["masked"] else "unmask", name])
    if unit.get("masked"):
        return steps
    enabled, active = now["UnitFileState"] in ENABLED, now["ActiveState"] in ACTIVE
    known = now["LoadState"] not in ("not-found", "")
    if unit.get("active") is False and active:
        steps.append(["stop", name])
    if unit.get("enabled") is not None and unit["enabled"] != enabled and (known or unit["enabled"]):
        steps.append(["enable" if unit["enabled"] else "disable", name])
    if unit.get("active") and not active:
        steps.append(["start", name])
    return steps


def plan(wanted: list[dict[str, Any]]) -> tuple[list[list[str]], dict[str, dict[str, str]]]:
    """Return the verbs to run and the states before them. A socket unit stands before its service in ``wanted``.

    What listens on a socket that systemd handed over cannot bind that itself: it ends with the socket unit and starts
    anew. Before it is enabled, too: systemd 257 loses track of a running service that gains an alias.
    """
    before = states([unit["name"] for unit in wanted])
    steps: list[list[str]] = []
    for unit in wanted:
        now = before[unit["name"]]
        if ["stop", unit["name"]] in steps:
            now = {**now, "ActiveState": "inactive"}
        for step in _steps(unit, now):
            steps.append(step)
            service = f"{unit['name'].removesuffix('.socket')}.service"
            if step[0] == "stop" and service in before:
                steps.append(["stop", service])
    return steps, before


def reload(unit: str) -> None:
    """Reload a unit, or start it where it does not run; a failure is told with the unit's own last words."""
    code, text = run("systemctl", "reload-or-restart", unit)
    if code:
        raise GuardError(f"systemctl reload-or-restart {unit}: {last_words(unit) or text}")


def last_words(unit: str) -> str:
    """What a unit said last in the journal."""
    return run("journalctl", "-u", unit, "-n", "5", "-o", "cat", "--no-pager")[1]


def apply(steps: list[list[str]]) -> None:
    """Run the planned verbs, save on what a handler has given up; a unit that does not come up ends the commit."""
    for step in steps:
        if os.path.exists(f"{GIVEN_UP}/{step[-1]}"):
            continue
        code, text = run("systemctl", "--quiet", *step)
        if code:
            raise GuardError(f"systemctl {' '.join(step)}: {text} {last_words(step[-1])}".strip())


def forget_new(before: dict[str, dict[str, str]], *, stop: bool) -> list[str]:
    """Disable (and stop) units that did not exist before, while their files are still there."""
    problems = []
    now = states(list(before))
    for name, old in before.items():
        if old["LoadState"] == "not-found" and now[name]["LoadState"] not in ("not-found", "masked"):
            code, text = run("systemctl", "--quiet", "--no-block", "disable", *(["--now"] if stop else []), name)
            if code:
                problems.append(f"systemctl disable {name}: {text}")
    return problems


def restart(names: list[str]) -> list[str]:
    """Let units that run read their files again. Return the problems met."""
    if not names:
        return []
    code, text = run("systemctl", "--no-block", "try-restart", *names)
    return [f"systemctl try-restart {' '.join(names)}: {text}"] if code else []


def restore(before: dict[str, dict[str, str]]) -> list[str]:
    """Bring units back to the states before; may be repeated. Return the problems met."""
    problems = []
    now = states(list(before))
    for name, old in before.items():
        was_masked = old["LoadState"] == "masked"
        wanted = {
            "name": name,
            "masked": was_masked,
            "enabled": old["UnitFileState"] in ENABLED if old["UnitFileState"] not in ("static", "indirect") else None,
            "active": old["ActiveState"] in ACTIVE,
        }
        for step in _steps(wanted, now[name]):
            if old["LoadState"] == "not-found" and step[0] in ("enable", "start"):
                continue
            if step[0] == "start" and name.endswith(".socket"):  # refused while its service runs without it
                run("systemctl", "--quiet", "--no-block", "stop", f"{name.removesuffix('.socket')}.service")
            code, text = run("systemctl", "--quiet", "--no-block", *step)
            if code:
                problems.append(f"systemctl {' '.join(step)}: {text}")
    return problems
