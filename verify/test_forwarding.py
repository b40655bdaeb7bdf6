"""Nobody tunnels through the host except where a person was given that right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from verify.outcome import empty
from verify.sshd import answers, value, where

if TYPE_CHECKING:
    from verify.target import Target

CLOSED: Final = ("allowagentforwarding", "allowstreamlocalforwarding", "x11forwarding", "gatewayports")


def places_behind(target: Target) -> set[str]:
    """SSH doors of the hosts that are reached through this one, in every way to write them."""
    found = set()
    for name, host in target.expected.catalogue.data["hosts"].items():
        ssh = host.get("ssh") or {}
        if ssh.get("jump") != target.name:
            continue
        inner = [one for network in host.get("networks") or [] for one in network.get("addresses") or []]
        for address in [host.get("address"), name, *inner]:
            found |= {f"{address}:{ssh.get('port') or 22}", f"[{address}]:{ssh.get('port') or 22}"}
    return found


def granted_places(target: Target) -> dict[str, set[str]]:
    """Where each person may forward to."""
    granted: dict[str, set[str]] = {}
    for person in target.expected.valid:
        for right in target.expected.rights(person):
            places = right.get("value")
            if right.get("kind") == "jump":
                granted.setdefault(person["name"], set()).update(places_behind(target))
            elif right.get("kind") == "forward":
                listed = [places] if isinstance(places, str) else places or []
                granted.setdefault(person["name"], set()).update(str(one) for one in listed)
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
