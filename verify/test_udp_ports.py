"""UDP answers on declared ports only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from verify.outcome import empty
from verify.ports import heard, undeclared, wanted

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
USUAL: Final = (
    7,
    19,
    53,
    67,
    69,
    111,
    123,
    137,
    161,
    389,
    443,
    500,
    514,
    1194,
    1434,
    1701,
    1900,
    2049,
    3478,
    3702,
    4500,
    5060,
    5353,
    5355,
    8472,
    10001,
    11211,
    27015,
    33434,
    41641,
    51820,
    61208,
)


def answers(target: Target) -> dict[int, dict[str, Any]]:
    """Probe declared ports, listeners and the usual suspects, declared ones first: refusals are rate-limited."""
    known: dict[int, dict[str, Any]] | None = getattr(target, "_udp", None)
    if known is None:
        declared = [one.port for one in target.expected.listens if one.proto == "udp"]
        listening = [
            one["port"]
            for one in target.inside()["listeners"]
            if one["proto"] == "udp" and one["port"] not in (68, 546)
        ]
        known = target.outside.probe_udp(list(dict.fromkeys([*declared, *listening, *USUAL])))
        target._udp = known  # type: ignore[attr-defined]
    return known


@FAMILIES
def test_undeclared_are_silent(target: Target, family: int) -> None:
    """Neither the usual UDP services nor anything that listens on the host answers undeclared."""
    answer = heard(target, family, answers(target))
    empty(undeclared(target, "udp", family, answer), f"UDP ports that answer on IPv{family}")


@FAMILIES
def test_declared_are_reachable(target: Target, family: int) -> None:
    """Declared UDP ports let datagrams through."""
    answer = heard(target, family, answers(target))
    listening = {one["port"] for one in target.inside()["listeners"] if one["proto"] == "udp"}
    problems = []
    for one in wanted(target, "udp", answer):
        if str(one.port) in answer["found"]:
            continue
        if one.port in listening:
            target.note(
                f"{one.name} ({one.reason}) took our datagram on IPv{family} or lost it: "
                "its program does not answer strangers"
            )
        else:
            problems.append(f"{one.name} ({one.reason}) is silent though nothing listens there")
    empty(problems, f"declared UDP ports are shut on IPv{family}")
