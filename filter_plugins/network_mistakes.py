"""The `network_mistakes` filter: addresses claimed twice, jumps in a circle, missing cards, ports that are taken."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MARGIN = 15  # seconds that the guard needs beyond sshd's longest penalty


def finding(level: str, entry: str, key: str, value: Any, fix: str) -> dict[str, str]:
    """Return one finding in the form that all *_mistakes filters share."""
    return {"level": level, "entry": entry, "key": key, "value": str(value)[:60], "fix": fix}


def same(address: str) -> str:
    """Return one spelling for an address or name."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower()


def is_ip(text: str | None) -> bool:
    """Tell whether `text` is one IPv4 or IPv6 address."""
    try:
        return text is not None and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def address_mistakes(hosts: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield addresses that two hosts claim, and network cards that are declared twice."""
    claimed: dict[tuple[Any, ...], str] = {}
    for name, host in hosts.items():
        entry, jump = f"host {name}", host["ssh"]["jump"]
        claims = (
            [(("address", same(host["address"]), jump, host["ssh"]["port"]), "host.address")] if host["address"] else []
        )
        claims += [
            ((n["name"], same(a), None, None), f"host.networks[{n['name']}].address")
            for n in host["networks"]
            for a in n["addresses"]
        ]
        for claim, key in claims:
            other = claimed.setdefault(claim, name)
            if other != name:
                yield finding("mistake", entry, key, claim[1], f"write this host's own: {other} has the same")
        cards: dict[str, str] = {}
        for network in host["networks"]:
            other = cards.setdefault(network["interface"], network["name"])
            if other != network["name"]:
                yield finding(
                    "mistake",
                    entry,
                    f"host.networks[{network['name']}].interface",
                    network["interface"],
                    f"{other} has the same card",
                )


def jump_mistakes(hosts: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield jumps that come back to where they started."""
    for name in hosts:
        way, here = [name], hosts[name]["ssh"]["jump"]
        while here in hosts and here not in way:
            way.append(here)
            here = hosts[here]["ssh"]["jump"]
        if here == name:
            circle = " -> ".join([*way, name])
            yield finding(
                "mistake", f"host {name}", "host.ssh.jump", circle, "name a host that is reached without this one"
            )


def forwarding_mistakes(hosts: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield hosts that pass packets on, and lack the cards that this takes."""
    for name, host in hosts.items():
        entry, forwards = f"host {name}", host["forwards"]
        names = [network["name"] for network in host["networks"]]
        if forwards == "router" and not set(names) - {"public"}:
            fix = "declare the private network's card in host.networks: a router passes on what comes in there only"
            yield finding("mistake", entry, "host.forwards", forwards, fix)
        if forwards in {"router", "wireguard"} and "public" not in names:
            fix = (
                f"legal but weak with forwards: {forwards}; add {{name: public, interface: ...}}: on other cards the "
                "host stops listening to router advertisements, and may lose its IPv6"
            )
            yield finding("warning", entry, "host.networks", ", ".join(names) or "none", fix)


def sources_of(hosts: dict[str, Any], source: str) -> list[str]:
    """Return the hosts that a source (host or group) names."""
    return [name for name, host in hosts.items() if source in {"all", name, *host["groups"]}]


def addresses_on(host: dict[str, Any], network: str) -> list[str]:
    """Return the host's addresses on `network`. On the public one an IP in host.address counts too."""
    found = [a for n in host["networks"] if n["name"] == network for a in n["addresses"]]
    return found + ([host["address"]] if network == "public" and is_ip(host["address"]) else [])


def any_address(host: dict[str, Any]) -> bool:
    """Tell whether the host has an address on any network."""
    return is_ip(host["address"]) or any(network["addresses"] for network in host["networks"])


def source_mistakes(
    hosts: dict[str, Any], entry: str, key: str, sources: list[str], network: str
) -> Iterator[dict[str, str]]:
    """Yield hosts that a source names and that have no address to let in."""
    for source in sources:
        for name in sources_of(hosts, source):
            if not addresses_on(hosts[name], network):
                where = f"networks: [{{name: {network}, interface: ..., address: ...}}]"
                yield finding(
                    "mistake",
                    entry,
                    key,
                    source,
                    f"{name} has no address on {network} to let in: write it in its host.{where}",
                )


def overlap_fix(host: str, network: str, where: str, who: str) -> str:
    """Return how to keep a listener on `network` apart from the same port of `who` on `where`; empty if it is already.

    The rule of a public listener names no card: it opens the port on the host's other networks as well.
    """
    if where in {"*", network}:
        return f"choose another port or network: on {host} this one belongs to {who}"
    if "public" in {where, network}:
        return (
            f"declare it once, public, or choose another port: on {host} {who} has it on {where}, and what is public "
            "is open on every network, whatever the `from` of the other says"
        )
    return ""


def part_mistakes(
    service: dict[str, Any],
    taken: dict[tuple[str, int, str], list[tuple[str, str]]],
    held: dict[tuple[str, int, str], str],
) -> Iterator[dict[str, str]]:
    """Yield ports of the service's parts that are taken, also by another of them; fill in who `held` each first."""
    for role, part in sorted(service["run"].items()):
        port = part.get("port")
        for name in service["hosts"] if port else []:
            use = (name, port, "tcp")
            others = [*(who for _, who in taken[use]), *([held[use]] if use in held else [])]
            if others:
                fix = f"choose another port: on {name} this one belongs to {others[0]}"
                yield finding("mistake", f"service {service['name']}", f"run.{role}.port", port, fix)
            held.setdefault(use, f"service {service['name']} (run.{role}.port)")


def exposure_mistakes(cat: Any) -> Iterator[dict[str, str]]:
    """Yield parts and listeners whose port is occupied already, and listeners on networks that a host does not have."""
    hosts = cat["hosts"]
    taken: dict[tuple[str, int, str], list[tuple[str, str]]] = defaultdict(list)
    for name, host in hosts.items():
        taken[name, host["ssh"]["port"], "tcp"].append(("*", "SSH (host.ssh.port)"))
    fronts = sorted({name for service in cat["services"] for name in service["edge"]["hosts"]})
    for name in fronts:
        for port in (80, 443):
            if any(use[0] == "*" for use in taken[name, port, "tcp"]):
                fix = "choose another SSH port: services' `edge` needs this one here"
                yield finding("mistake", f"host {name}", "host.ssh.port", port, fix)
            taken[name, port, "tcp"].append(("*", "the web server of services' `edge`"))
    for service in cat["services"]:
        entry = f"service {service['name']}"
        held: dict[tuple[str, int, str], str] = {}
        yield from part_mistakes(service, taken, held)
        for listener in service["listen"]:
            network, port, proto = listener["network"], listener["port"], listener["proto"]
            yield from source_mistakes(hosts, entry, f"listen[port {port}].from", listener["from"], network)
            for name in service["hosts"]:
                if network not in {"public", *(n["name"] for n in hosts[name]["networks"])}:
                    has = ", ".join(sorted({"public", *(n["name"] for n in hosts[name]["networks"])}))
                    fix = f"declare it in host.networks of {name}, or use one of: {has}"
                    yield finding("mistake", entry, f"listen[port {port}].network", network, fix)
                use = (name, port, proto)
                for where, who in taken[use]:
                    if use in held and who != entry:
                        continue  # it opens the port of a part, of which this was told
                    if fix := overlap_fix(name, network, where, who):
                        yield finding(
                            "mistake", entry, f"listen[port {port}].port", f"{port}/{proto} on {network}", fix
                        )
                        break
                taken[use].append((network, entry))
        for use, who in held.items():
            taken[use].append(("*", who))


def network_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return mistakes between hosts and exposures as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    hosts = cat["hosts"]
    found = [*address_mistakes(hosts), *jump_mistakes(hosts), *forwarding_mistakes(hosts), *exposure_mistakes(cat)]
    for name, host in hosts.items():
        entry, jump = f"host {name}", hosts.get(host["ssh"]["jump"])
        for source in host["ssh"]["sources"]:
            for other in sources_of(hosts, source):
                if not any_address(hosts[other]):
                    fix = f"{other} has no address to let in, a DNS name is none: write one in its host.networks"
                    found.append(finding("mistake", entry, "host.ssh.sources", source, fix))
        limited = [
            p["name"]
            for p in cat["people"]
            if "any" not in p["from"] and any(name in right["on"] for right in p["rights"])
        ]
        if jump and limited and not any_address(jump):
            fix = (
                f"write the jump host's address in its host.networks: {', '.join(limited)} may come from networks only"
            )
            found.append(finding("mistake", entry, "host.ssh.jump", host["ssh"]["jump"], fix))
    seconds, penalty = cat["policy"]["guard"]["seconds"], cat["policy"]["ssh"]["penalty_max"]
    if seconds <= penalty + MARGIN:
        fix = (
            f"write more than {penalty + MARGIN}, or lower policy.ssh.penalty_max: a throttled login must still confirm"
        )
        found.append(finding("mistake", "policy", "guard.seconds", seconds, fix))
    unique = {tuple(item.items()): item for item in found}
    return sorted(unique.values(), key=lambda item: (item["entry"], item["key"], item["value"], item["fix"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"network_mistakes": network_mistakes}
