"""Of all 65,535 TCP ports only the declared ones answer a stranger.

A port that refuses answers too: the firewall let the question through.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import pytest

from verify.expected import admits
from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"


def result(target: Target, family: int) -> dict[str, Any]:
    """One family's scan; ends the check when the host or this side does not have that family."""
    if family not in target.outside.families():
        not_applicable(f"the host has no public IPv{family} address")
    found = target.outside.scan()[family]
    if found["error"] and family == 6 and not target.outside.prefix:
        not_applicable(f"there is no IPv6 from here: {found['error']}; run it with an outsider that has it")
    assert not found["error"], f"the scan failed: {found['error']}"
    return found


def translated(target: Target, family: int, source: str) -> bool:
    """Whether a private address meets a public one, so that the host sees another address than this side has."""
    address = ipaddress.ip_address(target.outside.addresses[family])
    return ipaddress.ip_address(source).is_private and not address.is_private


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_only_declared_ports_answer(target: Target, family: int) -> None:
    """No other port answers."""
    found = result(target, family)
    problems = []
    for text, how in found["found"].items():
        doors = [one for one in target.expected.public("tcp") if one.port == int(text)]
        if not doors:
            problems.append(f"{text}/tcp is {how}, and nobody declared it")
        elif not any(admits(one.sources, found["source"]) for one in doors):
            if translated(target, family, found["source"]):
                target.note(f"{text}/tcp answers {found['source']}, which is translated on its way")
            else:
                problems.append(f"{text}/tcp is {how} for {found['source']}, which it was not declared for")
    empty(problems, f"ports that answer on IPv{family}")


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_declared_ports_answer(target: Target, family: int) -> None:
    """The declared ports answer, which also proves that the scan reached the host."""
    found = result(target, family)
    wanted = {one.port: one for one in target.expected.public("tcp") if admits(one.sources, found["source"])}
    if not wanted:
        not_applicable(f"no TCP port is declared for {found['source']}: closed cannot be told from absent")
    empty(
        [
            f"{one.name} ({one.reason}) is silent"
            for port, one in sorted(wanted.items())
            if str(port) not in found["found"]
        ],
        f"declared ports are not reachable on IPv{family}",
    )
