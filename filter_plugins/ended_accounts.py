"""The `ended_accounts` filter: people of one host whose time is over."""

from __future__ import annotations

from typing import Any


def ended_accounts(cat: Any, host: str, today: str) -> list[str]:
    """Return the sorted names of people who have a right on `host` and whose end has passed.

    Their accounts are closed, and kept until the entry is removed. today: 'YYYY-MM-DD', UTC.
    """
    return sorted(
        person["name"]
        for person in cat["people"]
        if person["until"] < str(today) and any(host in right["on"] for right in person["rights"])
    )


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"ended_accounts": ended_accounts}
