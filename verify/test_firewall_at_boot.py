"""After a restart the firewall stands before the network does, and no other program takes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.target import Target

UNIT = "holdfast-firewall.service"


def test_before_the_network(target: Target) -> None:
    """Its unit is enabled, in force and ordered before the network."""
    facts = target.inside()
    assert facts["unit_files"].get(UNIT) == "enabled", f"{UNIT} is {facts['unit_files'].get(UNIT, 'missing')}"
    unit = facts["units"][UNIT]
    assert unit.get("ActiveState") == "active", f"{UNIT} is {unit.get('ActiveState')}"
    assert "network-pre.target" in unit.get("Before", "").split(), f"{UNIT} is not ordered before the network"


def test_nobody_flushes(target: Target) -> None:
    """The distribution's firewall unit, whose stop removes all rules of everybody, cannot be started."""
    state = target.inside()["units"].get("nftables.service", {})
    if state.get("LoadState") == "not-found":
        return
    assert state.get("UnitFileState") == "masked" or state.get("LoadState") == "masked", (
        f"nftables.service is {state.get('UnitFileState') or 'there'}: stopping or starting it flushes every rule"
    )
