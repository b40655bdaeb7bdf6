"""What is declared to run runs, as declared, without being killed or started over and over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

LOOP: Final = 3
"""Restarts that make a loop, when the last one was a short while ago."""
SHORT_WHILE: Final = 600


def test_parts_run(target: Target) -> None:
    """Every part runs in the declared release, is enabled, and no other release of it runs."""
    for name in target.expected.unread_releases:
        target.note(f"{name} is not judged: its release cannot be read on the machine that verifies")
    parts = target.expected.service_parts
    if not parts:
        not_applicable("no service with a release that can be read is declared here")
    facts = target.services()
    problems = []
    for unit in parts:
        state = facts["units"].get(unit, {})
        if state.get("ActiveState") != "active":
            problems.append(f"{unit} is {state.get('ActiveState', 'missing')} ({state.get('Result', 'unknown')})")
        elif state.get("UnitFileState") != "enabled":
            problems.append(f"{unit} would not start at boot")
    problems += [f"{unit} is there, but not declared" for unit in facts["others"]]
    empty(problems, "services do not run as declared")


def test_no_loop_and_no_kill(target: Target) -> None:
    """No part is started over and over, and none was killed for want of memory within a day."""
    if not target.expected.services:
        not_applicable("no service is declared here")
    facts = target.services()
    problems = []
    for unit in target.expected.service_parts:
        state = facts["units"].get(unit, {})
        restarts = int(state.get("NRestarts") or 0)
        ago = facts["uptime"] - int(state.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        if restarts >= LOOP and ago < SHORT_WHILE:
            problems.append(f"{unit} was started again {restarts} times, last {ago:.0f} s ago: journalctl -u {unit}")
    ours = tuple(f"{one['name']}-" for one in target.expected.services)
    problems += [
        f"{unit}: a process was killed for want of memory"
        for unit in facts["killed_for_memory"]
        if unit.startswith(ours)
    ]
    empty(problems, "services do not stay up")


def test_schedules(target: Target) -> None:
    """Every timer waits for its time, and the last run of its command did not fail."""
    schedules = target.expected.service_schedules
    if not schedules:
        not_applicable("no schedule is declared here")
    units = target.services()["units"]
    problems = []
    for name in schedules:
        timer, last = units.get(f"{name}.timer", {}), units.get(f"{name}.service", {})
        if timer.get("ActiveState") != "active" or timer.get("UnitFileState") != "enabled":
            problems.append(f"{name}.timer is {timer.get('ActiveState', 'missing')}, {timer.get('UnitFileState')}")
        if last.get("Result", "success") != "success":
            why = f"{last['Result']}, status {last.get('ExecMainStatus')}"
            problems.append(f"the last run of {name}.service failed ({why}): journalctl -u {name}.service")
    empty(problems, "schedules fail")
