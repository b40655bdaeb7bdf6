"""The `login_candidates` filter: the logins that may work on one host."""

from __future__ import annotations

from typing import Any


def login_candidates(cat: Any, host: str, operator: str) -> list[dict[str, Any]]:
    """Return [{user, port}] in the order of trying: the operator on the declared port, then the provider's account."""
    ssh = cat["hosts"][host]["ssh"]
    named = {"user": str(operator), "port": ssh["port"]}
    first = {"user": ssh["first_user"], "port": ssh["first_port"]}
    return [named] if named == first else [named, first]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"login_candidates": login_candidates}
