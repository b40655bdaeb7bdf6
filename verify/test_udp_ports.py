"""UDP answers on declared ports only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from verify.expected import admits
from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"
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


def test_undeclared_are_silent(target: Target) -> None:
    """Neither the usual UDP services nor anything that listens on the host answers undeclared."""
    declared = {one.port for one in target.expected.public("udp")}
    empty(
        [
            f"{port}/udp is {how} on IPv{family}"
            for family, found in answers(target).items()
            for port, how in found["found"].items()
            if int(port) not in declared
        ],
        "UDP ports that nobody declared answer",
    )


def test_declared_are_reachable(target: Target) -> None:
    """Declared UDP ports let datagrams through."""
    source = (
        target.outside.greeting_of_source()
        if any("any" not in one.sources for one in target.expected.public("udp"))
        else ""
    )
    wanted = [one for one in target.expected.public("udp") if "any" in one.sources or admits(one.sources, source)]
    if not wanted:
        not_applicable("no UDP port is declared for strangers")
    listening = {one["port"] for one in target.inside()["listeners"] if one["proto"] == "udp"}
    problems = []
    for family, found in answers(target).items():
        for one in wanted:
            if str(one.port) in found["found"]:
                continue
            if one.port in listening:
                target.note(
                    f"{one.name} ({one.reason}) took our datagram on IPv{family} or lost it: "
                    "its program does not answer strangers"
                )
            else:
                problems.append(f"{one.name} ({one.reason}) is silent on IPv{family} though nothing listens there")
    empty(problems, "declared UDP ports are shut")
