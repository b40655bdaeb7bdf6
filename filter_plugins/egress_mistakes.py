"""The `egress_mistakes` filter: destinations of services that are nothing, that are two things, or that are closed."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = ("127.0.0.0/8", "::1/128")
# What the firewall closes (firewall__metadata); a test holds the two together.
METADATA = (
    "100.100.100.200/32",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
)
LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?"
NAME = re.compile(rf"({LABEL}\.)+{LABEL}", re.IGNORECASE)


def mistake(entry: str, key: str, value: str, fix: str) -> dict[str, str]:
    """Return one mistake in the form that all *_mistakes filters share."""
    return {"level": "mistake", "entry": entry, "key": key, "value": value[:60], "fix": fix}


def network(text: str) -> Network | None:
    """Return `text` as a network; None for anything else, and for the whole internet, which is written `any`."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return None
    return found if found.prefixlen else None


def lies_in(inner: Network, networks: tuple[str, ...]) -> bool:
    """Tell whether a network lies wholly in one of the others."""
    outers = [ipaddress.ip_network(text) for text in networks]
    return any(inner.network_address in outer and inner.prefixlen >= outer.prefixlen for outer in outers)


def has_address(host: dict[str, Any], name: str = "") -> bool:
    """Tell whether a host has an IP address on the network of that name, or on any."""
    inner = [address for n in host["networks"] if name in {"", n["name"]} for address in n["addresses"]]
    return bool(inner) or (name in {"", "public"} and network(host["address"] or "") is not None)


def destination_mistakes(cat: Any, service: dict[str, Any], entry: str, key: str, to: str) -> Iterator[dict[str, str]]:
    """Yield what is wrong with one destination."""
    hosts = [name for name, host in cat["hosts"].items() if to in {"all", name, *host["groups"]}]
    other = next((one for one in cat["services"] if one["name"] == to), None)
    if hosts and other:
        fix = f"a service and a host or group are called {to}: rename one of them"
        yield mistake(entry, key, to, fix)
    elif hosts:
        for name in hosts:
            if not has_address(cat["hosts"][name]) and set(service["hosts"]) - {name}:
                fix = f"{name} has no address to let out to, a DNS name is none: write one in its host.networks"
                yield mistake(entry, key, to, fix)
    elif other:
        for name in sorted(set(service["hosts"]) - set(other["hosts"])):
            fix = f"a service means the same host, and {to} does not run on {name}: name the hosts that run it"
            yield mistake(entry, key, to, fix)
    elif found := network(to):
        if lies_in(found, LOOPBACK):
            fix = "on the host itself name the service that listens there, or the host for what is no service"
            yield mistake(entry, key, to, fix)
        elif lies_in(found, METADATA):
            yield mistake(entry, key, to, "remove it: metadata of the cloud is closed to every service")
    elif to != "any" and (NAME.fullmatch(to) is None or to.rsplit(".", 1)[-1].isdigit()):
        groups = {group for host in cat["hosts"].values() for group in host["groups"]}
        known = sorted({*cat["hosts"], *groups, *(one["name"] for one in cat["services"])})
        close = difflib.get_close_matches(to, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}? " if close else ""
        fix = f"{hint}name a host, a group, a service, a network such as 198.51.100.0/24, a DNS name with a dot, or any"
        yield mistake(entry, key, to, fix)


def egress_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return mistakes in what services may reach as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    found: list[dict[str, str]] = []
    for service in cat["services"]:
        entry = f"service {service['name']}"
        for number, item in enumerate(service["egress"], 1):
            found += destination_mistakes(cat, service, entry, f"egress[{number}].to", item["to"])
        if database := service.get("database"):
            for name in database["hosts"]:
                where = database["network"]
                if set(service["hosts"]) - {name} and not has_address(cat["hosts"][name], where):
                    fix = f"{name} has no address on {where}: write it in its host.networks, or name another network"
                    found.append(mistake(entry, "database.network", where, fix))
    unique = {tuple(item.items()): item for item in found}
    return sorted(unique.values(), key=lambda item: (item["entry"], item["key"], item["value"], item["fix"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"egress_mistakes": egress_mistakes}
