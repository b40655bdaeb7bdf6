"""The `ssh_sources` filter: who may reach the SSH port of one host."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible.errors import AnsibleFilterError


def ssh_sources(cat: Any, host: str) -> list[str]:
    """Return the networks that may reach the SSH port of `host`, IPv4 before IPv6; empty for everybody.

    A host or group stands for every address of its hosts. Raises AnsibleFilterError where nothing is left: an empty
    list would open the port to everybody.
    """
    sources = cat["hosts"][host]["ssh"]["sources"]
    if "any" in sources:
        return []
    four: list[ipaddress.IPv4Network] = []
    six: list[ipaddress.IPv6Network] = []
    texts: list[str] = []
    for source in sources:
        members = [member for name, member in cat["hosts"].items() if source in {"all", name, *member["groups"]}]
        texts += [
            source,
            *(a for m in members for a in [m["address"], *(a for n in m["networks"] for a in n["addresses"])]),
        ]
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:  # a name
            continue
        if isinstance(network, ipaddress.IPv4Network):
            four.append(network)
        else:
            six.append(network)
    if not four and not six:
        raise AnsibleFilterError(f"ssh_sources: {host}: {', '.join(sources)} has no address to let in")
    return [*map(str, ipaddress.collapse_addresses(four)), *map(str, ipaddress.collapse_addresses(six))]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"ssh_sources": ssh_sources}
