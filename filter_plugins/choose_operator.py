"""The `choose_operator` filter: which admin runs this play."""

from __future__ import annotations

from typing import Any


def choose_operator(cat: Any, asked: str, local: str) -> str:
    """Return the operator's name, or '' when it cannot be told.

    asked: what the caller said (taken as it is, for preflight to judge). Otherwise the name of the `local` account,
    when an admin is declared by that name; otherwise the only declared admin.
    """
    admins = [
        p["name"]
        for p in cat["people"]
        if p["kind"] == "person" and any(right["kind"] == "admin" for right in p["rights"])
    ]
    if asked:
        return str(asked)
    if local in admins:
        return str(local)
    return str(admins[0]) if len(admins) == 1 else ""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"choose_operator": choose_operator}
