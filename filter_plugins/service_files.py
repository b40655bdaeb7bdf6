"""The `service_files` filter: every file that the services of a host consist of, as fileset takes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNITS = "/etc/systemd/system"


def plan(service: Mapping[str, Any]) -> str:
    """Return what the program on the host has to know of a service, as JSON."""
    keeps = {
        "release": service["release"],
        "parts": [{"role": part["role"], "port": part["port"], "health": part["health"]} for part in service["parts"]],
        "schedules": [item["name"] for item in service["schedules"]],
        "secrets": list(service["secrets"]),
    }
    return json.dumps(keeps, indent=1, sort_keys=True) + "\n"


def service_files(services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the plans, environments, secrets and units of `services`, as the filter host_services returns them.

    A service without a release has no units.
    """
    files: list[dict[str, Any]] = []
    for service in services:
        name = service["name"]
        files.append({"path": f"/etc/holdfast/services/{name}.json", "content": plan(service)})
        for secret in service["secrets"]:
            place = {"services__owner": name, "services__secret": secret}
            path = f"/etc/holdfast/secrets/{name}/{secret}"
            files.append({"path": path, "template": "secret.j2", "mode": "0600", "secret": True, "vars": place})
        for part in service["parts"]:
            given = {"service": service, "part": part}
            files.append(
                {"path": f"{UNITS}/{name}-{part['role']}@.service", "template": "part.service.j2", "vars": given}
            )
        for item in service["schedules"]:
            for kind in ("service", "timer"):
                path = f"{UNITS}/{name}-{item['name']}@.{kind}"
                files.append(
                    {"path": path, "template": f"schedule.{kind}.j2", "vars": {"service": service, "item": item}}
                )
        if service["release"]:
            # Not in the units, which every account can read.
            environment = "".join(f"{line}\n" for line in service["env"])
            path = f"/etc/holdfast/services/{name}.env"
            files.append({"path": path, "content": environment, "mode": "0600"})
            path = f"{UNITS}/{name}-run@.service"
            files.append({"path": path, "template": "run.service.j2", "vars": {"service": service}})
    return files


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"service_files": service_files}
