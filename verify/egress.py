"""What services may connect to: as the inventory declares it, and as the live rules let them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from verify.nft import Ruleset, name_of, span_of

if TYPE_CHECKING:
    from verify.expected import Entry, Expected

PROTOCOLS: Final = {"6": "tcp", "17": "udp"}
"""Debian 12's nft prints numbers in front of a port that is conntrack's."""
DATABASE_PORTS: Final = {"postgresql": 5432}
ANSWERS_FROM: Final = "meta l4proto . th sport"
EVERYTHING, HOST_ITSELF, METADATA = "everything", "the host itself", "the cloud's metadata"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass
class Reach:
    """What one service declares, by protocol and port."""

    loopback: set[tuple[str, int]] = field(default_factory=set)
    networks: set[tuple[Network, str, int]] = field(default_factory=set)
    names: set[tuple[str, int]] = field(default_factory=set)
    others: set[tuple[str, int]] = field(default_factory=set)
    """Ports of other services on the host, and those at which they reach what is no service."""

    def add_hosts(self, expected: Expected, names: list[str], proto: str, port: int) -> None:
        """Add every address of hosts; the host itself is reached on itself."""
        for name in names:
            if name == expected.name:
                self.loopback.add((proto, port))
            else:
                host = expected.catalogue.data["hosts"][name]
                self.networks |= {(ipaddress.ip_network(one), proto, port) for one in expected.addresses(host)}

    def admits(self, destination: Any, proto: str, port: int) -> bool:
        """Whether the destination of a rule, as nft prints it, is declared."""
        wanted = _network(destination)
        return wanted is not None and any(
            wanted.network_address in network and wanted.prefixlen >= network.prefixlen
            for network, one, number in self.networks
            if (one, number) == (proto, port)
        )


def declared(expected: Expected, service: Entry) -> Reach:
    """What a service may connect to from this host, and which ports it may not answer from."""
    found = _reach(expected, service)
    for other in expected.placed:
        if other["name"] != service["name"]:
            found.others |= _reach(expected, other).loopback | _listens(expected, other)
    found.others -= _listens(expected, service)
    return found


def _own(service: Entry) -> set[tuple[str, int]]:
    """The ports of a service by its own entry."""
    found = {(one.get("proto") or "tcp", one["port"]) for one in service.get("listen") or []}
    return found | {("tcp", one["port"]) for one in (service.get("run") or {}).values() if one.get("port")}


def _listens(expected: Expected, service: Entry) -> set[tuple[str, int]]:
    """The ports of a service: by its own entry, and by those that say that they reach it."""
    found = _own(service)
    for other in expected.placed:
        for entry in other.get("egress") or []:
            if entry["to"] == service["name"]:
                found.add((entry.get("proto") or "tcp", int(entry["port"])))
    return found


def _reach(expected: Expected, service: Entry) -> Reach:
    """What a service may connect to from this host."""
    found = Reach(loopback=_own(service))
    hosts, services = expected.catalogue.data["hosts"], {one["name"] for one in expected.catalogue.data["services"]}
    for entry in service.get("egress") or []:
        to, proto, port = entry["to"], entry.get("proto") or "tcp", int(entry["port"])
        named = [name for name, host in hosts.items() if to in (name, "all") or to in (host.get("groups") or [])]
        if named:
            found.add_hosts(expected, named, proto, port)
        elif to in services:
            found.loopback.add((proto, port))
        elif to == "any":
            found.networks |= {(ipaddress.ip_network(one), proto, port) for one in ("0.0.0.0/0", "::/0")}
        else:
            try:
                found.networks.add((ipaddress.ip_network(to), proto, port))
            except ValueError:
                found.names.add((proto, port))
    if database := service.get("database"):
        found.add_hosts(expected, database["hosts"], "tcp", DATABASE_PORTS[database["kind"]])
    return found


def held(rules: Ruleset, uid: int) -> tuple[list[Entry], list[Entry]] | None:
    """The rules that packets meet before one tells them by their account, and those that an account's meet then.

    None where nothing tells that account's packets from others.
    """
    for chain in rules.chains:
        if chain.get("hook") != "output" or chain.get("type") != "filter":
            continue
        before: list[Entry] = []
        for rule in rules.of(chain["family"], chain["table"], chain["name"]):
            target = _led_to(rules, rule, uid)
            if target:
                return before, rules.of(chain["family"], chain["table"], target)
            before.append(rule)
    return None


def _led_to(rules: Ruleset, rule: Entry, uid: int) -> str:
    """The chain that a rule leads one account's packets to, empty for none."""
    for one in rule.get("expr") or []:
        vmap = one.get("vmap") or {}
        if vmap and name_of(vmap["key"]) == "meta skuid":
            for key, verdict in rules.elements(rule, vmap["data"]):
                if key == uid:
                    return str((verdict.get("goto") or verdict.get("jump") or {}).get("target", ""))
    return ""


def problems(rules: Ruleset, chain: list[Entry], reach: Reach, resolvers: set[int]) -> list[str]:
    """What a service's rules let out that they may not. ``resolvers``: ports of the host's own for services."""
    found: list[str] = []
    closed: set[str] = set()
    silent: set[tuple[str, int]] = set()
    for rule in chain:
        expr = rule.get("expr") or []
        matches = {name_of(one["match"]["left"]): one["match"]["right"] for one in expr if "match" in one}
        if _refuses(rules, rule):
            closed.add(_what(rules, rule, matches))
            silent |= _silent(rules, rule, matches)
        elif any("accept" in one for one in expr):
            if not _fits(rules, rule, matches, reach, resolvers):
                shown = ", ".join(f"{name} {right}" for name, right in matches.items())
                found.append(f"lets out {shown or 'everything'}")
            elif matches.get("ct direction") == "reply":
                ports = [f"{port}/{proto}" for proto, port in sorted(reach.others - silent)]
                found += [f"answers from another's port {port}" for port in ports]
            elif _leaves(matches):
                found += [f"lets out to {place}" for place in (HOST_ITSELF, METADATA) if place not in closed]
    if EVERYTHING not in closed:
        found.append("lets out what no rule names")
    return list(dict.fromkeys(found))


def _leaves(matches: dict[str, Any]) -> bool:
    """Whether a rule is about addresses of others."""
    return bool({str(matches[key]) for key in ("ip daddr", "ip6 daddr") if key in matches} - {"127.0.0.1", "::1"})


def _what(rules: Ruleset, rule: Entry, matches: dict[str, Any]) -> str:
    """What a rule that refuses closes, as far as it matters."""
    if not matches:
        return EVERYTHING
    if matches == {"meta oif": "lo"}:
        return HOST_ITSELF
    if matches.keys() == {"ip daddr"} and any(_covers(one) for one in rules.elements(rule, matches["ip daddr"])):
        return METADATA
    return ""


def _silent(rules: Ruleset, rule: Entry, matches: dict[str, Any]) -> set[tuple[str, int]]:
    """The ports from which a rule that refuses lets nobody answer."""
    if matches.keys() != {"ct direction", ANSWERS_FROM} or matches["ct direction"] != "reply":
        return set()
    rows = [one["concat"] for one in rules.elements(rule, matches[ANSWERS_FROM]) if "concat" in one]
    return {(PROTOCOLS.get(str(proto), str(proto)), port) for proto, port in rows}


def _covers(element: Any) -> bool:
    network = _network(element)
    return network is not None and ipaddress.ip_address("169.254.169.254") in network


def _fits(rules: Ruleset, rule: Entry, matches: dict[str, Any], reach: Reach, resolvers: set[int]) -> bool:
    # An answer, or what another of these rules let out before.
    if matches.get("ct direction") == "reply" or (matches.get("ct state") == "established" and "ct mark" in matches):
        return True
    if matches.get("meta oif") == "lo":  # the port that was asked for, whatever NAT has made of it
        proto = str(matches.get("meta l4proto"))
        return (PROTOCOLS.get(proto, proto), matches.get("ct original proto-dst")) in reach.loopback
    port = next((right for name, right in matches.items() if name.endswith(" dport")), None)
    proto = next((name.split()[0] for name in matches if name.endswith(" dport")), "")
    if port is None or span_of(port)[0] != span_of(port)[1]:
        return False
    destination = matches.get("ip daddr", matches.get("ip6 daddr"))
    if destination in ("127.0.0.1", "::1"):
        return bool(reach.names) and port in resolvers
    if isinstance(destination, str) and destination.startswith("@"):
        filled = rules.sets.get((rule["family"], rule["table"], destination[1:]), {})
        return (proto, port) in reach.names and bool(filled.get("timeout"))
    return reach.admits(destination, proto, port)


def _refuses(rules: Ruleset, rule: Entry) -> bool:
    """Whether a rule refuses what it matches, here or in the chain that it leads to."""
    expr = rule.get("expr") or []
    if any(word in one for one in expr for word in ("drop", "reject")):
        return True
    target = next((one["goto"]["target"] for one in expr if "goto" in one), "")
    below = rules.of(rule["family"], rule["table"], target) if target else []
    return bool(below) and not any("match" in one for one in below[-1]["expr"]) and _refuses(rules, below[-1])


def _network(value: Any) -> Network | None:
    """An address or network as nft prints it; None for anything else."""
    if isinstance(value, dict) and "prefix" in value:
        value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        return None
