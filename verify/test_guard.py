"""No unconfirmed change is in force, and one that power loss interrupts is taken back at the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.target import Target


def test_nothing_is_waiting(target: Target) -> None:
    """The guard is not armed: what runs now has been confirmed."""
    facts = target.inside()
    assert not facts["guard_armed"], "a change is in force that nobody has confirmed yet"
    assert not facts["guard_timers"], f"a revert is scheduled: {' '.join(facts['guard_timers'])}"


def test_boot_unit(target: Target) -> None:
    """The guard looks at each start, before the network, whether something is to be taken back."""
    facts = target.inside()
    name = "holdfast-guard.service"
    assert facts["unit_files"].get(name) == "enabled", f"{name} is {facts['unit_files'].get(name, 'missing')}"
    before = facts["units"][name].get("Before", "").split()
    missing = {"network-pre.target", "ssh.service"} - set(before)
    assert not missing, f"{name} is not ordered before {', '.join(sorted(missing))}"
