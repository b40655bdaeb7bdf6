"""The `service_units` filter: the units of services that have to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def service_units(services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the instances of parts and timers of `services`, enabled and active, as fileset takes them."""
    names = []
    for service in services:
        names += [f"{service['name']}-{part['role']}@{service['release']}.service" for part in service["parts"]]
        names += [f"{service['name']}-{item['name']}@{service['release']}.timer" for item in service["schedules"]]
    return [{"name": name, "enabled": True, "active": True} for name in names]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"service_units": service_units}
