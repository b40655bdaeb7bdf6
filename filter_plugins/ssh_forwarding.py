"""The `ssh_forwarding` filter: who may forward to where through one host."""

from __future__ import annotations

from typing import Any


def target(address: str, port: int | str) -> str:
    """Return address:port in sshd's spelling, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def addresses_of(host: dict[str, Any]) -> list[str]:
    """Return every address of a host."""
    return [host["address"], *(a for n in host["networks"] for a in n["addresses"])]


def ssh_forwarding(cat: Any, host: str, today: str) -> list[dict[str, Any]]:
    """Return [{name, permit_open}], sorted, of valid people with a forward or jump right on `host`.

    A jump right opens the declared and the first SSH port of each host whose host.ssh.jump is this one. A forward right
    opens what it names; the name of a host of the inventory opens its addresses too. today: 'YYYY-MM-DD', UTC.
    """
    behind = [other for other in cat["hosts"].values() if other["ssh"]["jump"] == host]
    jumps = {
        target(a, other["ssh"][port])
        for other in behind
        for port in ("port", "first_port")
        for a in addresses_of(other)
    }
    found = []
    for person in cat["people"]:
        rights = [right for right in person["rights"] if host in right["on"] and right["kind"] in {"forward", "jump"}]
        if not rights or person["until"] < str(today):
            continue
        opened: set[str] = set()
        for right in rights:
            if right["kind"] == "jump":
                opened |= jumps
                continue
            for place in right["value"]:
                name, port = place.rsplit(":", 1)
                opened.add(place)
                if name in cat["hosts"]:
                    opened |= {target(address, port) for address in addresses_of(cat["hosts"][name])}
        if opened:
            found.append({"name": person["name"], "permit_open": sorted(opened)})
    return sorted(found, key=lambda item: str(item["name"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"ssh_forwarding": ssh_forwarding}
