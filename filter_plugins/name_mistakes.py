"""The `name_mistakes` filter: names that stand twice, or that name nothing."""

from __future__ import annotations

import difflib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Accounts and groups that Debian or holdfast makes itself, and folders in /run and templates of units: a person of such
# a name might have the rights that it stands for. In a file, as filters cannot import each other.
TAKEN = frozenset(Path(__file__).with_name("taken_names.txt").read_text(encoding="utf-8").split())
# What is done on localhost is done on the controller, and may be no business of a managed host.
NO_HOSTS = frozenset({"127.0.0.1", "::1", "all", "localhost", "ungrouped"})


def mistake(entry: str, key: str, value: str, fix: str) -> dict[str, str]:
    """Return one mistake in the form that all *_mistakes filters share."""
    return {"level": "mistake", "entry": entry, "key": key, "value": value[:60], "fix": fix}


def items(value: Any) -> list[Mapping[Any, Any]]:
    """Return the dicts of a list, and nothing of anything else."""
    return (
        [item for item in value if isinstance(item, Mapping)]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else []
    )


def texts(value: Any) -> list[str]:
    """Return the texts of a list, and nothing of anything else."""
    return (
        [str(item) for item in value if isinstance(item, str)]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else []
    )


def part(value: Any, *steps: str) -> Any:
    """Return what lies under `steps`, or None. An unquoted `on` is True in YAML."""
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step, value.get(True) if step == "on" else None)
    return value


def named(entries: Iterable[Mapping[Any, Any]]) -> list[str]:
    """Return the names of `entries`."""
    return [str(entry["name"]) for entry in entries if isinstance(entry.get("name"), str)]


def is_network(text: str) -> bool:
    """Tell whether `text` is a network or an address."""
    try:
        return bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def unknown(entry: str, key: str, names: Iterable[str], known: Iterable[str], what: str) -> Iterator[dict[str, str]]:
    """Yield a mistake for each of `names` that is not `known`, with the nearest that is."""
    known = sorted(set(known))
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}? " if close else ""
            yield mistake(entry, key, name, f"{hint}name {what}: {', '.join(known[:12]) or 'there is none yet'}")


def twice(part_name: str, key: str, names: Iterable[str], fix: str) -> Iterator[dict[str, str]]:
    """Yield a mistake for each name that stands more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield mistake(part_name, key, f"{name}, {count} times", fix)


def person_mistakes(
    person: Mapping[Any, Any], targets: set[str], services: list[str], people: list[str]
) -> Iterator[dict[str, str]]:
    """Yield the mistakes in the names that one person's entry uses."""
    entry = f"person {person.get('name')}"
    name = person.get("name")
    if isinstance(name, str) and (name in TAKEN or name.startswith(("systemd-", "holdfast"))):
        yield mistake(entry, "name", name, "choose another: the system or holdfast uses this name itself")
    yield from twice(entry, "keys", named(items(person.get("keys"))), "give each key its own name")
    if isinstance(owner := person.get("owner"), str):
        yield from unknown(entry, "owner", [owner], people, "a declared person")
    for number, right in enumerate(items(person.get("rights")), 1):
        yield from unknown(
            entry, f"rights[{number}].on", texts(part(right, "on")), targets, "a host or group of the inventory"
        )
        yield from unknown(
            entry, f"rights[{number}].deploy", texts(right.get("deploy")), services, "a declared service"
        )


def service_mistakes(service: Mapping[Any, Any], targets: set[str], hosts: set[str]) -> Iterator[dict[str, str]]:
    """Yield the mistakes in the names that one service's entry uses."""
    entry, what = f"service {service.get('name')}", "a host or group of the inventory"
    for key in ("on", "edge.on", "database.on"):
        yield from unknown(entry, key, texts(part(service, *key.split("."))), targets, what)
    for number, listener in enumerate(items(service.get("listen")), 1):
        sources = [name for name in texts(listener.get("from")) if not is_network(name) and "/" not in name]
        yield from unknown(entry, f"listen[{number}].from", sources, targets, what)
    if isinstance(overrides := service.get("overrides"), Mapping):
        yield from unknown(entry, "overrides", map(str, overrides), hosts, "a host of the inventory")
    yield from twice(entry, "schedule", named(items(service.get("schedule"))), "give each its own name")


def name_mistakes(raw: Any) -> list[dict[str, str]]:
    """Return names that stand twice or name nothing as [{level, entry, key, value, fix}], sorted.

    Never raises on any data.
    raw: {people, services, policy, hosts: {name: host}, groups: {name: [host]}} as for `catalogue`.
    """
    people, services = items(part(raw, "people")), items(part(raw, "services"))
    hosts = part(raw, "hosts")
    hosts = hosts if isinstance(hosts, Mapping) else {}
    groups = part(raw, "groups")
    names = {str(name) for name in hosts}
    targets = (
        names
        | {"all"}
        | {str(group) for group in (groups if isinstance(groups, Mapping) else {}) if group != "ungrouped"}
    )
    found = [*twice("people", "name", named(people), "give each person one entry")]
    found += twice("services", "name", named(services), "give each service one entry")
    humans = named(p for p in people if p.get("kind", "person") == "person")
    for person in people:
        found += person_mistakes(person, targets, named(services), humans)
    for service in services:
        found += service_mistakes(service, targets, names)
    for number, item in enumerate(items(part(raw, "policy", "backup", "paths")), 1):
        found += unknown(
            "policy", f"backup.paths[{number}].on", texts(part(item, "on")), targets, "a host or group of the inventory"
        )
    for name, host in hosts.items():
        if str(name) in NO_HOSTS:
            fix = "give the host another name: Ansible means this machine, or a group, by that one"
            found.append(mistake(f"host {name}", "name", str(name), fix))
        if isinstance(jump := part(host, "ssh", "jump"), str):
            found += unknown(f"host {name}", "host.ssh.jump", [jump], names, "a host of the inventory")
        sources = [
            source for source in texts(part(host, "ssh", "sources")) if not is_network(source) and "/" not in source
        ]
        found += unknown(f"host {name}", "host.ssh.sources", sources, targets, "a host or group of the inventory")
        found += twice(
            f"host {name}", "host.networks", named(items(part(host, "networks"))), "give each network card its own name"
        )
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"name_mistakes": name_mistakes}
