"""The clock is right: keys end, codes count and logs tell by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import not_applicable

if TYPE_CHECKING:
    from verify.target import Target

SERVICES: Final = ("systemd-timesyncd.service", "chrony.service", "ntpsec.service", "openntpd.service")


def test_time_service_starts(target: Target) -> None:
    """One time service starts at each boot."""
    units = target.inside()["units"]
    states = {name: units.get(name, {}).get("UnitFileState", "") or "not installed" for name in SERVICES}
    on = [name for name, state in states.items() if state == "enabled"]
    assert on, "no time service is enabled: " + ", ".join(f"{name} is {state}" for name, state in states.items())
    assert len(on) == 1, f"{' and '.join(on)} would both set the clock: disable one"


def test_clock_is_synchronised(target: Target) -> None:
    """The kernel's clock follows a time server now."""
    facts = target.inside()
    if facts["ground"]["container"]:
        not_applicable("this host is a container: its clock is that of the machine under it")
    running = [name for name in SERVICES if facts["units"].get(name, {}).get("ActiveState") == "active"]
    assert running, "no time service runs"
    assert facts["ground"]["clock_synchronized"], (
        f"{running[0]} runs, but has not reached a time server yet: see `timedatectl timesync-status`, and whether "
        "something on the way drops UDP to port 123"
    )
