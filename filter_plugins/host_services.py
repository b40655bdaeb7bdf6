"""The `host_services` filter: the services of one host, each with what its units need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def literal(text: str) -> str:
    """Return `text` so that systemd puts nothing of its own in the place of a percent sign."""
    return text.replace("%", "%%")


def assignment(name: str, value: str) -> str:
    """Return a line of an EnvironmentFile, in which a percent sign is one and a backslash guards four characters."""
    guarded = re.sub(r'([\\"$`])', r"\\\1", value)
    return f'{name}="{guarded}"'


def command(service: str, release: str, text: str) -> str:
    """Return a command whose program is a whole path, so that none of systemd's prefixes can stand before it."""
    program = literal(text.strip())
    return program if program.startswith("/") else f"/srv/{service}/releases/{release}/{program}"


def host_services(cat: Any, host: str, releases: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the services that `host` runs, sorted by name.

    releases: {name: {id, path}} of those that have a release; the parts and schedules of others are left out.
    Each: {name, release, source, memory, tasks, cpu, env, secrets, needs, parts: [{role, exec, port, health}],
    schedules: [{name, exec, at}]}. `exec` is in the spelling of unit files, %i being the release, `env` in that of an
    EnvironmentFile.
    """
    found = []
    for service in cat["services"]:
        if host not in service["hosts"]:
            continue
        name = service["name"]
        release = dict((releases or {}).get(name) or {})
        own = service["overrides"].get(host) or {}
        parts = sorted(service["run"].items()) if release else []
        found.append(
            {
                "name": name,
                "release": release.get("id"),
                "source": release.get("path"),
                "memory": own.get("memory") or service["memory"],
                "tasks": service["tasks"],
                "cpu": service["cpu"],
                "env": [assignment(key, text) for key, text in sorted(service["env"].items())],
                "secrets": sorted(service["secrets"]),
                "needs": service["needs"],
                "parts": [
                    {
                        "role": role,
                        "exec": command(name, "%i", part["exec"]),
                        "port": part.get("port"),
                        "health": (part.get("health") or {}).get("path"),
                    }
                    for role, part in parts
                ],
                "schedules": [
                    {"name": item["name"], "exec": command(name, "%i", item["exec"]), "at": item["at"].strip()}
                    for item in sorted(service["schedule"], key=lambda item: str(item["name"]))
                ]
                if release
                else [],
            }
        )
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"host_services": host_services}
