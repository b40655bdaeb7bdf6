"""The `reboot_list` filter: which hosts need a reboot, why, and when it comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def reasons(heard: Mapping[str, Any]) -> list[str]:
    """Return why a host needs a reboot, by the last that it said of it."""
    for answer in (str(heard["installed"]), str(heard["pending"])):
        if answer.startswith("{"):
            # A host that no run has brought up to date yet tells no reasons.
            # One host's broken answer may not keep the others' from being told.
            try:
                said = json.loads(answer).get("reboot", [])
            except (ValueError, RecursionError):
                said = None
            if not isinstance(said, list):
                return ["what it answers cannot be read"]
            # It goes to a terminal as it is, and a host's word may not move its cursor.
            return ["".join(char if char.isprintable() else " " for char in str(why)) for why in said]
    return ["asked for by a package"] if heard["asked"] else []


def when(heard: Mapping[str, Any]) -> str:
    """Return in words when a host reboots by itself, if it does."""
    if not heard["by_itself"]:
        return "by hand, since policy.updates.reboot is false"
    if not heard["window"]:
        return "by hand, since it has no window"
    return f"in its window, which opens {heard['window']['at']} UTC"


def reboot_list(hosts: Mapping[str, Any]) -> list[str]:
    """Return a line for each host that needs a reboot, sorted by name.

    hosts: {name: {installed, pending: what the patch program answered as JSON, or nothing; asked: whether the host has
    Debian's mark; window: {at} or {}; by_itself: whether it may reboot in its window}}.
    """
    return [
        f"{name}, {when(heard)}: {'; '.join(why)}" for name, heard in sorted(hosts.items()) if (why := reasons(heard))
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"reboot_list": reboot_list}
