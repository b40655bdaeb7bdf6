"""The `egress_rules` filter: what the accounts of a host's services may open connections to."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

LOOPBACK, NETWORK, NAME = "loopback", "network", "name"
KINDS = (LOOPBACK, NETWORK, NAME)
DATABASE_PORTS = {"postgresql": 5432}

Place = tuple[str, str]  # kind, and the network or name


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


def egress_rules(cat: Any, host: str) -> list[dict[str, Any]]:
    """Return [{service, names, rules: [{kind, to, port, proto, mark, reason}]}] for the services of `host`, sorted.

    kind: `loopback` (whatever stays on the host), `network` or `name`; `to` is empty for the first. A service reaches
    its own ports and its database undeclared. A pure function of the whole inventory.
    """
    found = []
    for service in cat["services"]:
        if host not in service["hosts"]:
            continue
        name = service["name"]
        wanted = {(LOOPBACK, "", item["port"], item["proto"]) for item in service["listen"]}
        wanted |= {(LOOPBACK, "", part["port"], "tcp") for part in service["run"].values() if part.get("port")}
        for entry in service["egress"]:
            wanted |= {(*place, entry["port"], entry["proto"]) for place in places(cat, entry["to"], host)}
        if database := service.get("database"):
            port = DATABASE_PORTS[database["kind"]]
            near = places_of_hosts(cat, database["hosts"], host, database["network"])
            wanted |= {(*place, port, "tcp") for place in near}
        rules = [
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
        found.append({"service": name, "names": sorted({r["to"] for r in rules if r["kind"] == NAME}), "rules": rules})
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"egress_rules": egress_rules}
