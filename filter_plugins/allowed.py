"""The `allowed` filter: what may be installed, enabled and set-uid on one host."""

from __future__ import annotations

from typing import Any

PARTS = ("packages", "units", "setuid")


def allowed(cat: Any, host: str, debian: Any, needed: Any) -> dict[str, list[str]]:
    """Return {packages, units, setuid} of `host`: sorted patterns, in which `*` stands for any characters.

    debian: what is Debian's own, under `plain`, and what comes with a declaration, under its name.
    needed: packages that holdfast's roles install.
    """
    services = [service for service in cat["services"] if host in service["hosts"]]
    databases = [service.get("database") or {} for service in cat["services"]]
    kinds = {"plain", cat["hosts"][host]["forwards"], *(d["kind"] for d in databases if host in d.get("hosts", []))}
    base = cat["policy"]["base"]
    found = {
        part: {*base[part], *(one for kind in kinds for one in (debian.get(kind) or {}).get(part, []))}
        for part in PARTS
    }
    found["packages"] |= {*needed}
    found["units"] |= {f"{service['name']}-*@*" for service in services}
    return {part: sorted(found[part]) for part in PARTS}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"allowed": allowed}
