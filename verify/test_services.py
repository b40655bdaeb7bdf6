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
    parts, templates = target.expected.service_parts, target.expected.unread("parts")
    if not [*parts, *templates]:
        not_applicable("no service with a part that runs all the time is declared here")
    facts = target.services()
    unread = target.unread("parts")
    problems = [problem for one in templates for problem in unread_part(one, unread, facts["units"])]
    for unit in parts:
        state = facts["units"].get(unit, {})
        if state.get("ActiveState") != "active":
            problems.append(f"{unit} is {state.get('ActiveState', 'missing')} ({state.get('Result', 'unknown')})")
        elif state.get("UnitFileState") != "enabled":
            problems.append(f"{unit} would not start at boot")
    problems += [f"{unit} is there, but not declared" for unit in facts["others"] if unit.endswith(".service")]
    empty(problems, "services do not run as declared")


def unread_part(template: str, unread: list[str], units: dict[str, dict[str, str]]) -> list[str]:
    """Return what is wrong with a part whose release could not be read here: some release of it has to run."""
    states = {unit: units.get(unit, {}) for unit in unread if unit.startswith(template) and unit.endswith(".service")}
    up = [unit for unit, state in states.items() if state.get("ActiveState") == "active"]
    failed = [unit for unit, state in states.items() if state.get("ActiveState") == "failed"]
    problems = [f"{unit} is failed ({states[unit].get('Result', 'unknown')})" for unit in failed]
    problems += [f"{unit} would not start at boot" for unit in up if states[unit].get("UnitFileState") != "enabled"]
    if len(up) > 1:
        problems.append(f"{' and '.join(up)} run, and only one of them can be declared")
    if not up and not failed:
        problems.append(f"{template.rstrip('@')} runs in no release")
    return problems


def test_no_loop_and_no_kill(target: Target) -> None:
    """No part is started over and over, and none was killed for want of memory within a day."""
    if not target.expected.services:
        not_applicable("no service is declared here")
    facts = target.services()
    problems = []
    for unit in [*target.expected.service_parts, *target.unread("parts")]:
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


def timers_beside(templates: list[str], others: list[str], units: dict[str, dict[str, str]]) -> list[str]:
    """Return what is wrong where a command has a timer of more than one release, and so would run in each of them.

    A timer that was stopped is still told of as long as the command that it started runs.
    """
    timers = [unit for unit in units if unit.endswith(".timer") and units[unit].get("ActiveState") == "active"]
    found = [" and ".join(unit for unit in timers if unit.startswith(one)) for one in templates]
    problems = [f"{these} wait, and only one of them can be declared" for these in found if " and " in these]
    return problems + [f"{unit} waits, but is not declared" for unit in others if unit in timers]


def test_schedules(target: Target) -> None:
    """Every timer waits for its time, and the last run of its command did not fail."""
    there = target.unread("schedules")
    unread = [unit.removesuffix(".timer") for unit in there if unit.endswith(".timer")]
    schedules = [*target.expected.service_schedules, *unread]
    templates = target.expected.unread("schedules")
    if not [*schedules, *templates]:
        not_applicable("no schedule is declared here")
    facts = target.services()
    units = facts["units"]
    missing = [one for one in templates if not any(name.startswith(one) for name in unread)]
    problems = [f"{one.rstrip('@')} has no timer, of whatever release" for one in missing]
    problems += timers_beside(templates, facts["others"], units)
    for name in schedules:
        timer, last = units.get(f"{name}.timer", {}), units.get(f"{name}.service", {})
        if timer.get("ActiveState") != "active" or timer.get("UnitFileState") != "enabled":
            problems.append(f"{name}.timer is {timer.get('ActiveState', 'missing')}, {timer.get('UnitFileState')}")
        if last.get("Result", "success") != "success":
            why = f"{last['Result']}, status {last.get('ExecMainStatus')}"
            problems.append(f"the last run of {name}.service failed ({why}): journalctl -u {name}.service")
    empty(problems, "schedules fail")
