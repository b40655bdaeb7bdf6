"""The `egress_rules` filter: what the accounts of a host's services may open connections to."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

LOOPBACK, NETWORK, NAME = "loopback", "network", "name"
KINDS = (LOOPBACK, NETWORK, NAME)
DATABASE_PORTS = {"postgresql": 5432}

Place = tuple[str, str]  # kind, and the network or name
Port = tuple[str, int]  # protocol and number


def addresses(host: dict[str, Any], network: str = "") -> set[str]:
    """Return a host's addresses as networks of one, on `network` or on all. host.address is on the public one."""
    found = {a for n in host["networks"] if network in {"", n["name"]} for a in n["addresses"]}
    if network in {"", "public"}:
        found.add(host["address"])
    return {str(ipaddress.ip_network(address)) for address in found if is_network(address)}


def is_network(text: str) -> bool:
    """Tell whether `text` is a network or an address."""
    try:
        return bool(ipaddress.ip_network(text))
    except ValueError:
        return False


def places_of_hosts(cat: Any, names: list[str], here: str, network: str = "") -> set[Place]:
    """Return where hosts are reached from `here`: the host itself over its loopback card, whatever address is used."""
    found = {(NETWORK, address) for name in names if name != here for address in addresses(cat["hosts"][name], network)}
    return found | ({(LOOPBACK, "")} if here in names else set())


def places(cat: Any, to: str, here: str) -> set[Place]:
    """Return what one entry's `to` stands for on the host `here`."""
    hosts = [name for name, host in cat["hosts"].items() if to in {"all", name, *host["groups"]}]
    if hosts:
        return places_of_hosts(cat, hosts, here)
    if to in {service["name"] for service in cat["services"]}:
        return {(LOOPBACK, "")}
    if to == "any":
        return {(NETWORK, "0.0.0.0/0"), (NETWORK, "::/0")}
    return {(NETWORK, str(ipaddress.ip_network(to)))} if is_network(to) else {(NAME, to.lower())}


def mark(*words: Any) -> int:
    """Return the number by which conntrack remembers what let a connection out: the same in every run, and not 0."""
    return int(hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:8], 16) or 1


def own_ports(service: dict[str, Any]) -> set[Port]:
    """Return the ports that a service listens on by its own entry."""
    ports = {(item["proto"], item["port"]) for item in service["listen"]}
    return ports | {("tcp", part["port"]) for part in service["run"].values() if part.get("port")}


def wanted_of(cat: Any, service: dict[str, Any], host: str) -> set[tuple[str, str, int, str]]:
    """Return what a service reaches from `host` as (kind, to, port, proto)."""
    wanted = {(LOOPBACK, "", port, proto) for proto, port in own_ports(service)}
    for entry in service["egress"]:
        wanted |= {(*place, entry["port"], entry["proto"]) for place in places(cat, entry["to"], host)}
    if database := service.get("database"):
        near = places_of_hosts(cat, database["hosts"], host, database["network"])
        wanted |= {(*place, DATABASE_PORTS[database["kind"]], "tcp") for place in near}
    return wanted


def ports_held(cat: Any, services: dict[str, dict[str, Any]]) -> dict[str, set[Port]]:
    """Return by service the ports that it may answer from: of its own entry, and where others say that it listens."""
    held = {name: own_ports(service) for name, service in services.items()}
    hosts = {word for name, host in cat["hosts"].items() for word in ("all", name, *host["groups"])}
    for entry in [entry for service in services.values() for entry in service["egress"]]:
        if entry["to"] in held and entry["to"] not in hosts:
            held[entry["to"]].add((entry["proto"], entry["port"]))
    return held


def egress_rules(cat: Any, host: str) -> list[dict[str, Any]]:
    """Return [{service, names, others, rules: [{kind, to, port, proto, mark, reason}]}] for the services of `host`.

    Sorted. kind: `loopback` (whatever stays on the host), `network` or `name`; `to` is empty for the first. A service
    reaches its own ports and its database undeclared. others: [{proto, port}] that it never answers from. A pure
    function of the whole inventory.
    """
    services = {service["name"]: service for service in cat["services"] if host in service["hosts"]}
    wants = {name: wanted_of(cat, service, host) for name, service in services.items()}
    held = ports_held(cat, services)
    # Also the ports at which others reach what is no service: a database, a mail server.
    taken = {
        name: held[name] | {(proto, port) for kind, _, port, proto in wanted if kind == LOOPBACK}
        for name, wanted in wants.items()
    }
    found = []
    for name, wanted in wants.items():
        rules: list[dict[str, Any]] = [
            {
                "kind": kind,
                "to": to,
                "port": port,
                "proto": proto,
                "mark": mark(name, kind, to, port, proto),
                "reason": f"{name} to {to or kind} {port}/{proto}",
            }
            for kind, to, port, proto in sorted(wanted, key=lambda rule: (KINDS.index(rule[0]), *rule[1:]))
        ]
        others = {port for other, ports in taken.items() if other != name for port in ports} - held[name]
        listed = [{"proto": proto, "port": port} for proto, port in sorted(others)]
        names = sorted({rule["to"] for rule in rules if rule["kind"] == NAME})
        found.append({"service": name, "names": names, "others": listed, "rules": rules})
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"egress_rules": egress_rules}
