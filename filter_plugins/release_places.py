"""The `release_places` filter: where the releases of services lie on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def release_places(services: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return [{name, source, place}] of `services` that have a release, as the filter host_services returns them."""
    return [
        {
            "name": service["name"],
            "source": service["source"],
            "place": f"/srv/{service['name']}/releases/{service['release']}",
        }
        for service in services
        if service["release"]
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"release_places": release_places}
