"""Nobody tunnels through the host except where a person was given that right."""

from __future__ import annotations

from typing import Final

from verify.outcome import empty
from verify.sshd import answers, value, where
from verify.target import Target

CLOSED: Final = ("allowagentforwarding", "allowstreamlocalforwarding", "x11forwarding", "gatewayports")


def test_forwarding_as_granted(target: Target) -> None:
    """TCP forwarding goes only to the declared places of the people who hold it; nothing else is forwarded."""
    granted: dict[str, set[str]] = {}
    hosts = target.expected.catalogue.data["hosts"]
    behind = set()
    for name, host in hosts.items():
        if (host.get("ssh") or {}).get("jump") == target.name:
            port = (host.get("ssh") or {}).get("port") or 22
            addresses = [host.get("address"), name, *[one for network in host.get("networks") or []
                                                      for one in network.get("addresses") or []]]
            behind |= {f"[{one}]:{port}" if ":" in str(one) else f"{one}:{port}" for one in addresses if one}
            behind |= {f"{one}:{port}" for one in addresses if one}
    for person in target.expected.valid:
        for right in target.expected.rights(person):
            if right.get("kind") == "jump":
                granted.setdefault(person["name"], set()).update(behind)
            if right.get("kind") == "forward":
                value_of = right.get("value")
                places = [value_of] if isinstance(value_of, str) else value_of or []
                granted.setdefault(person["name"], set()).update(str(one) for one in places)
    problems = []
    for answer in answers(target):
        name, options = answer["connection"]["user"], answer["options"]
        disabled = value(options, "disableforwarding") == "yes"
        for key in CLOSED:
            if not disabled and value(options, key) not in ("no", ""):
                problems.append(f"{key} is {value(options, key)} for {where(answer)}")
        if value(options, "permittunnel") not in ("no", ""):
            problems.append(f"permittunnel is {value(options, 'permittunnel')} for {where(answer)}")
        tcp = value(options, "allowtcpforwarding")
        if disabled or tcp == "no":
            continue
        opened = {word for line in options.get("permitopen", ["any"]) for word in line.split()} - {"none"}
        if name not in granted:
            problems.append(f"allowtcpforwarding is {tcp} for {where(answer)}, who may not forward")
        elif opened - granted[name]:
            problems.append(f"{where(answer)} may forward to {', '.join(sorted(opened - granted[name]))} as well")
        if tcp not in ("local", "no") and value(options, "permitlisten") != "none":
            problems.append(f"{where(answer)} may open listening ports on the host")
    empty(list(dict.fromkeys(problems)), "more is forwarded than was granted")
