"""The `service_mistakes` filter: services that could not run, or would be somebody else's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What the sandbox sets, and what widens it. Whatever else a unit may hold is not for `needs`.
DIRECTIVES = """
    AmbientCapabilities BindPaths BindReadOnlyPaths CPUQuota CapabilityBoundingSet DeviceAllow InaccessiblePaths
    KeyringMode LockPersonality MemoryDenyWriteExecute MemoryMax MemorySwapMax NoNewPrivileges PrivateDevices PrivateIPC
    PrivateTmp PrivateUsers ProcSubset ProtectClock ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs
    ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyPaths ReadWritePaths RemoveIPC
    RestrictAddressFamilies RestrictNamespaces RestrictRealtime RestrictSUIDSGID SystemCallArchitectures
    SystemCallErrorNumber SystemCallFilter TasksMax UMask
"""
# Debian's own accounts and groups, and folders in /run and templates of units whose names are taken; as in
# name_mistakes.
TAKEN = frozenset(Path(__file__).with_name("taken_names.txt").read_text(encoding="utf-8").split())
# What holdfast or systemd sets: a value of `env` would win over it, and the firewall would know another.
VARIABLES = {
    "PORT": "write it to run.ROLE.port",
    "SOCKET": "use the path that it holds: /run/NAME/ROLE-RELEASE.sock",
    "CREDENTIALS_DIRECTORY": "use the folder that it names: secrets lie in it",
}
SANDBOX = frozenset(DIRECTIVES.split())


def mistake(entry: str, key: str, value: Any, fix: str) -> dict[str, str]:
    """Return one mistake in the form that all *_mistakes filters share."""
    return {"level": "mistake", "entry": entry, "key": key, "value": str(value)[:60], "fix": fix}


def name_mistakes(cat: Any, service: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return why a service may not have its name: its account and units would be somebody else's."""
    name = service["name"]
    people = {person["name"] for person in cat["people"]}
    people |= {host["console"] for host in cat["hosts"].values()} | set(cat["policy"]["access"]["keep_accounts"])
    people |= {host["ssh"]["first_user"] for host in cat["hosts"].values()}
    if name in people:
        return [
            mistake(f"service {name}", "name", name, "choose another: it would share the account of that person's name")
        ]
    if name in TAKEN or name.startswith(("systemd-", "holdfast")):
        return [mistake(f"service {name}", "name", name, "choose another: the system or holdfast uses it itself")]
    return []


def unit_mistakes(services: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what would be two units of one name."""
    found: list[dict[str, str]] = []
    owners: dict[str, str] = {}
    for service in services:
        name = service["name"]
        parts = [(f"run.{role}", role) for role in service["run"]]
        parts += [(f"schedule[{item['name']}].name", item["name"]) for item in service["schedule"]]
        for key, part in parts:
            unit = f"{name}-{part}"
            if part == "run":
                fix = "choose another: NAME-run is the unit of one-off commands"
                found.append(mistake(f"service {name}", key, part, fix))
            elif unit in owners:
                fix = f"choose another: {owners[unit]} has a unit {unit}@ already"
                found.append(mistake(f"service {name}", key, part, fix))
            owners.setdefault(unit, f"service {name}")
    return found


def need_mistakes(service: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what is no directive of the sandbox, and commands that systemd would take for several."""
    entry, found = f"service {service['name']}", []
    for number, need in enumerate(service["needs"], 1):
        directive = need["directive"].partition("=")[0]
        if directive not in SANDBOX:
            fix = f"name a directive of the sandbox: {', '.join(sorted(SANDBOX))}"
            found.append(mistake(entry, f"needs[{number}].directive", directive, fix))
        elif need["directive"].endswith("\\"):
            found.append(
                mistake(entry, f"needs[{number}].directive", need["directive"], "leave out the last backslash")
            )
    commands = [(f"run.{role}.exec", part["exec"]) for role, part in service["run"].items()]
    commands += [(f"schedule[{item['name']}].exec", item["exec"]) for item in service["schedule"]]
    for key, text in commands:
        if re.search(r"(^|\s);(\s|$)", text):
            fix = "name one command: put several into a script of the release"
            found.append(mistake(entry, key, text, fix))
    return found


def env_mistakes(service: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the variables that are set for the service already."""
    return [
        mistake(f"service {service['name']}", f"env.{name}", service["env"][name], f"leave it out: {VARIABLES[name]}")
        for name in sorted(VARIABLES.keys() & service["env"].keys())
    ]


def secret_mistakes(service: Mapping[str, Any], values: Any) -> list[dict[str, str]]:
    """Return the secrets that have no value. No value leaves this function."""
    entry, found = f"service {service['name']}", []
    held = values.get(service["name"]) if isinstance(values, Mapping) else None
    for secret in service["secrets"]:
        value = held.get(secret) if isinstance(held, Mapping) else None
        if not isinstance(value, str) or not value:
            what = "nothing" if value in (None, "") else "something that is no text"
            fix = f"write its value, as text, to vault.services.{service['name']}.{secret}"
            found.append(mistake(entry, f"secrets.{secret}", what, fix))
    return found


def release_mistakes(unreadable: Mapping[str, str], releases: bool) -> list[dict[str, str]]:
    """Return the releases that cannot be read: a mistake where the run would release, a warning anywhere else.

    Not every machine has built them, and from each a host can be verified, patched and restored.
    """
    fix = "name a directory or a .tar.gz that is there"
    level = "mistake" if releases else "warning"
    if not releases:
        fix += ", or build it, before a run that places services; this one places none"
    return [
        {**mistake(f"service {name}", "release.path", why, fix), "level": level} for name, why in unreadable.items()
    ]


def service_mistakes(
    cat: Any, values: Any = None, unreadable: Any = None, releases: bool = True
) -> list[dict[str, str]]:
    """Return what is wrong with the services as [{level, entry, key, value, fix}], sorted. Never raises.

    cat: the catalogue, also a tolerant one. values: vault.services. unreadable: {service: why its release cannot be
    read}, as release_ids returns it. releases: whether the run places services, and so needs to read them.
    """
    found = unit_mistakes(cat["services"])
    for service in cat["services"]:
        entry = f"service {service['name']}"
        found += name_mistakes(cat, service) + need_mistakes(service) + env_mistakes(service)
        found += secret_mistakes(service, values)
        if (service["run"] or service["schedule"]) and not service.get("release"):
            fix = "name what runs: release: {path: DIRECTORY or ARCHIVE.tar.gz}"
            found.append(mistake(entry, "release", "nothing", fix))
    found += release_mistakes(unreadable or {}, releases)
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"service_mistakes": service_mistakes}
