"""The `jump_depths` filter: how many jump hosts lie before each host."""

from __future__ import annotations

from typing import Any


def jump_depths(cat: Any) -> dict[str, int]:
    """Return {host: number of jump hosts before it}, of every host of the inventory; 0 is reached directly.

    A chain that leads back to itself, which the preflight refuses, ends where it does.
    """
    found = {}
    for name, host in cat["hosts"].items():
        way, jump = {name}, host["ssh"]["jump"]
        while jump in cat["hosts"] and jump not in way:
            way.add(jump)
            jump = cat["hosts"][jump]["ssh"]["jump"]
        found[name] = len(way) - 1
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"jump_depths": jump_depths}
