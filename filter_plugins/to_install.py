"""The `to_install` filter: which of the missing packages have to be installed."""

from __future__ import annotations

from typing import Any


def to_install(missing: Any, choices: Any) -> list[str]:
    """Return `missing` in its order, without what another package does already.

    choices: lists of packages that stand for each other. Where one of a list is installed, none of it is wanted;
    otherwise its first is.
    """
    unwanted: set[str] = set()
    for choice in choices:
        there = set(choice) - set(missing)
        unwanted |= set(choice) if there else set(choice[1:])
    return [name for name in missing if name not in unwanted]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"to_install": to_install}
