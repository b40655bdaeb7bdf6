"""The `firewall_rules` filter: what may come in to one host, besides SSH."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Iterable


def collapsed(sources: Iterable[str]) -> list[str]:
    """Return networks without overlaps, IPv4 before IPv6, sorted. nft refuses a set whose intervals overlap."""
    networks = [ipaddress.ip_network(source) for source in sources]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [*map(str, four), *map(str, six)]


def addresses_on(host: dict[str, Any], network: str) -> list[str]:
    """Return the host's addresses on `network`. On the public one an IP in host.address counts too."""
    found = [a for n in host["networks"] if n["name"] == network for a in n["addresses"]]
    try:
        return found + ([str(ipaddress.ip_address(host["address"]))] if network == "public" else [])
    except ValueError:
        return found


def sources_of(cat: Any, sources: list[str], network: str, reason: str) -> list[str]:
    """Return the networks that `sources` (networks, hosts, groups) stand for. Empty for everybody.

    Raises AnsibleFilterError where nothing is left: an empty list would open the port to everybody.
    """
    if "any" in sources:
        return []
    found: set[str] = set()
    for source in sources:
        try:
            found.add(str(ipaddress.ip_network(source)))
        except ValueError:
            for name, host in cat["hosts"].items():
                if source in {"all", name, *host["groups"]}:
                    found |= set(addresses_on(host, network))
    if not found:
        raise AnsibleFilterError(
            f"firewall_rules: {reason}: {', '.join(sources)} has no address on {network} to let in"
        )
    return collapsed(found)


def firewall_rules(cat: Any, host: str) -> list[dict[str, Any]]:
    """Return what `host` lets in as [{port, proto, interface, public, sources, reason}], sorted; SSH is not among it.

    interface: network card, or None for the public network. sources: networks, IPv4 first; empty for everybody.
    A pure function of the whole inventory: the same whatever a run is limited to.
    """
    cards: dict[str, list[str]] = {}
    for network in cat["hosts"][host]["networks"]:
        cards.setdefault(network["name"], []).append(network["interface"])
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}

    def add(port: int, proto: str, network: str, sources: list[str], reason: str) -> None:
        for card in [None] if network == "public" else cards.get(network, []):
            rule = {
                "port": port,
                "proto": proto,
                "interface": card,
                "public": card is None,
                "sources": sources,
                "reason": reason,
            }
            old = rules.get((port, proto, card or ""))
            if old:  # several services behind one web server
                rule["reason"] = ", ".join(sorted({*old["reason"].split(", "), reason}))
                rule["sources"] = collapsed([*old["sources"], *sources]) if old["sources"] and sources else []
            rules[port, proto, card or ""] = rule

    for service in cat["services"]:
        reason = f"service {service['name']}"
        if host in service["hosts"]:
            for listener in service["listen"]:
                network = listener["network"]
                add(
                    listener["port"],
                    listener["proto"],
                    network,
                    sources_of(cat, listener["from"], network, reason),
                    reason,
                )
        if host in service["edge"]["hosts"]:
            for port in (80, 443):
                add(port, "tcp", "public", [], reason)
    return [rules[key] for key in sorted(rules)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"firewall_rules": firewall_rules}
