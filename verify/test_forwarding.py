"""Nobody tunnels through the host except where a person was given that right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from verify.outcome import empty
from verify.sshd import answers, value, where

if TYPE_CHECKING:
    from verify.target import Target

CLOSED: Final = ("allowagentforwarding", "allowstreamlocalforwarding", "x11forwarding", "gatewayports")


def places_of(name: str, host: dict[str, Any], port: Any) -> set[str]:
    """One port of a host, by name and by each of its addresses, in every way to write them."""
    inner = [one for network in host.get("networks") or [] for one in network.get("addresses") or []]
    return {f"{text}:{port}" for one in [name, host.get("address"), *inner] for text in (one, f"[{one}]")}


def places_behind(target: Target) -> set[str]:
    """SSH doors, the first run's too, of the hosts that are reached through this one."""
    found = set()
    for name, host in target.expected.catalogue.data["hosts"].items():
        ssh = host.get("ssh") or {}
        if ssh.get("jump") == target.name:
            found |= places_of(name, host, ssh.get("port") or 22) | places_of(name, host, ssh.get("first_port") or 22)
    return found


def places_named(target: Target, place: str) -> set[str]:
    """What one declared place means: itself, and the addresses of the host whose name it has."""
    name, _, port = place.rpartition(":")
    host = target.expected.catalogue.data["hosts"].get(name)
    return {place, *(places_of(name, host, port) if host else ())}


def granted_places(target: Target) -> dict[str, set[str]]:
    """Where each person may forward to."""
    granted: dict[str, set[str]] = {}
    for person in target.expected.valid:
        for right in target.expected.rights(person):
            places = right.get("value")
            if right.get("kind") == "jump":
                granted.setdefault(person["name"], set()).update(places_behind(target))
            elif right.get("kind") == "forward":
                for one in [places] if isinstance(places, str) else places or []:
                    granted.setdefault(person["name"], set()).update(places_named(target, str(one)))
    return granted


def tcp_problems(answer: dict[str, Any], places: set[str] | None) -> list[str]:
    """What one connection could forward beyond its places; None is nothing at all."""
    options = answer["options"]
    tcp = value(options, "allowtcpforwarding")
    if tcp == "no":
        return []
    if places is None:
        return [f"allowtcpforwarding is {tcp} for {where(answer)}, who may not forward"]
    found = []
    opened = {word for line in options.get("permitopen", ["any"]) for word in line.split()} - {"none"}
    if opened - places:
        found.append(f"{where(answer)} may forward to {', '.join(sorted(opened - places))} as well")
    if tcp != "local" and value(options, "permitlisten") != "none":
        found.append(f"{where(answer)} may open listening ports on the host")
    return found


def test_forwarding_as_granted(target: Target) -> None:
    """TCP forwarding goes only to the declared places of the people who hold it; nothing else is forwarded."""
    granted = granted_places(target)
    problems = []
    for answer in answers(target):
        options = answer["options"]
        if value(options, "permittunnel") not in ("no", ""):
            problems.append(f"permittunnel is {value(options, 'permittunnel')} for {where(answer)}")
        if value(options, "disableforwarding") == "yes":
            continue
        problems += [
            f"{key} is {value(options, key)} for {where(answer)}"
            for key in CLOSED
            if value(options, key) not in ("no", "")
        ]
        problems += tcp_problems(answer, granted.get(answer["connection"]["user"]))
    empty(list(dict.fromkeys(problems)), "more is forwarded than was granted")
