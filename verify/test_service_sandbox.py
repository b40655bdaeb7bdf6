"""Every service runs in a closed sandbox with bounded memory, processes and processor time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty, no_units, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

EXPOSURE: Final = 2.0
"""Of systemd-analyze security's 10; a plain unit has 9.2."""
BOUNDS: Final = {"MemoryMax": "memory", "TasksMax": "processes", "CPUQuotaPerSecUSec": "processor time"}


def test_exposure(target: Target) -> None:
    """systemd finds each sandbox closed, at most 2.0 of 10, schedules included."""
    unread = [unit for kind in ("parts", "schedules") for unit in target.unread(kind) if unit.endswith(".service")]
    schedules = [f"{name}.service" for name in target.expected.service_schedules]
    units = [*target.expected.service_parts, *schedules, *unread]
    if not units:
        not_applicable(no_units(target, ("parts", "schedules")))
    for service in target.expected.services:
        for need in service["needs"]:
            target.note(f"the sandbox of {service['name']} has {need['directive']}: {need['reason']}")
    found = target.services()["exposures"]
    problems = []
    for unit in units:
        if unit not in found:
            problems.append(f"{unit}: systemd-analyze says nothing of it")
        elif found[unit] > EXPOSURE:
            problems.append(f"{unit}: {found[unit]}")
    empty(problems, f"sandboxes with an exposure of more than {EXPOSURE}")


def test_bounds(target: Target) -> None:
    """Memory, processes and processor time of each part have a bound."""
    parts = [*target.expected.service_parts, *(unit for unit in target.unread("parts") if unit.endswith(".service"))]
    if not parts:
        not_applicable(no_units(target, ("parts",)))
    units = target.services()["units"]
    problems = [
        f"{unit}: no bound on {what}"
        for unit in parts
        for key, what in BOUNDS.items()
        if units.get(unit, {}).get(key, "infinity") == "infinity"
    ]
    empty(problems, "services without a bound")
