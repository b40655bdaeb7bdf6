"""No program waits for connections that nobody declared."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

DHCP_CLIENT: Final = {("udp", 68), ("udp", 546)}


def is_local(one: dict[str, Any]) -> bool:
    """Whether a listener is for programs on the host alone."""
    if one["interface"] == "lo":
        return True
    if one["address"] in ("*", ""):
        return False
    address = ipaddress.ip_address(one["address"])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_listeners_are_declared(target: Target) -> None:
    """Every program that listens on a network is a declared one."""
    facts = target.inside()
    problems = []
    for one in facts["listeners"]:
        proto, port = one["proto"], one["port"]
        if is_local(one) or (proto, port) in DHCP_CLIENT or target.expected.declared(proto, port):
            continue
        problems.append(f"{one['program'] or 'something'} listens on {one['address']} port {port}/{proto}")
    empty(sorted(set(problems)), "listeners that nobody declared")


def test_ssh_listens(target: Target) -> None:
    """sshd waits at the declared port, and at no other."""
    ports = {
        one["port"]
        for one in target.inside()["listeners"]
        # A name is its process's own choice: at a port above 1023 anybody's may be called so.
        if one["proto"] == "tcp" and one["program"] in ("sshd", "systemd") and one["uid"] == 0 and not is_local(one)
    }
    assert target.expected.port in ports, f"nothing of sshd listens on port {target.expected.port}"
    answering = {(one["proto"], one["port"]) for one in target.inside()["listeners"] if not is_local(one)}
    for one in target.expected.listens:
        if (one.proto, one.port) not in answering:
            target.note(f"{one.name} is declared by {one.reason}, but nothing listens there")
