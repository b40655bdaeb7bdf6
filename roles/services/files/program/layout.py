"""Where things of the services lie on the host."""

from __future__ import annotations

from typing import Any

PLANS = "/etc/holdfast/services"
SECRETS = "/etc/holdfast/secrets"
RECORDS = "/var/lib/holdfast/services"
UNITS = "/etc/systemd/system"


def environment(name: str) -> str:
    """Path of the declared environment of a service; systemd reads it, as root."""
    return f"{PLANS}/{name}.env"


def files_of(name: str, plan: dict[str, Any]) -> list[str]:
    """Paths of the units, the environment and the secrets of a service."""
    units = [f"{name}-{part['role']}@.service" for part in plan["parts"]]
    units += [f"{name}-{schedule}@.{kind}" for schedule in plan["schedules"] for kind in ("service", "timer")]
    units += [f"{name}-run@.service"] if plan["release"] else []
    files = [f"{UNITS}/{unit}" for unit in units] + [f"{SECRETS}/{name}/{secret}" for secret in plan["secrets"]]
    return files + ([environment(name)] if plan["release"] else [])
