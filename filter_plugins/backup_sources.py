"""The `backup_sources` filter: what of one host is backed up."""

from __future__ import annotations

from typing import Any


def backup_sources(cat: Any, host: str) -> list[dict[str, str]]:
    """Return what is backed up of `host` as [{path, reason}], sorted: absolute paths, each once.

    A service's paths lie in its state directory. A pure function of the whole inventory.
    """
    found: dict[str, str] = {}
    for service in cat["services"]:
        if host in service["hosts"]:
            for path in (service.get("backup") or {}).get("paths", []):
                found[f"/srv/{service['name']}/shared/{path.rstrip('/')}"] = f"service {service['name']}"
    for item in cat["policy"]["backup"]["paths"]:
        if host in item["hosts"]:
            found.setdefault(item["path"], "policy.backup.paths")
    return [{"path": path, "reason": found[path]} for path in sorted(found)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"backup_sources": backup_sources}
