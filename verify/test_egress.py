"""A service connects to what it declares, and to nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.egress import declared, held, problems
from verify.nft import Ruleset
from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target


def accounts(target: Target) -> dict[str, int]:
    """Services that run here, and the numbers of their accounts."""
    if not target.expected.placed:
        not_applicable("no service runs here")
    numbers = {one["name"]: one["uid"] for one in target.inside()["accounts"]}
    names = [one["name"] for one in target.expected.placed]
    for name in names:
        if name not in numbers:
            target.note(f"the service {name} has no account, so nothing runs as it")
    return {name: numbers[name] for name in names if name in numbers}


def test_rules_are_declared(target: Target) -> None:
    """The live rules let each service's account out to what the service declares, and refuse all else.

    They let it answer, too, save from the ports of others.
    """
    data = target.inside()["nft"]
    assert data is not None, "there is no nft on the host, or it cannot list its rules"
    rules, found = Ruleset(data), []
    # A name is its process's own choice; below 1024 nobody's waits but root's and the resolver's.
    listening = [one for one in target.inside()["listeners"] if one["port"] < 1024]
    resolvers = {one["port"] for one in listening if one["program"] == "dnsmasq"}
    services = {one["name"]: one for one in target.expected.placed}
    for name, uid in accounts(target).items():
        met = held(rules, uid)
        if met is None:
            found.append(f"nothing holds {name} back")
            continue
        before, chain = met
        if any("accept" in one for rule in before for one in rule.get("expr") or []):
            found.append(f"a rule accepts before the ones that hold {name}")
        found += [
            f"{name}: {text}" for text in problems(rules, chain, declared(target.expected, services[name]), resolvers)
        ]
    empty(found, "the rules let services out to more than they declare")


def test_undeclared_is_refused(target: Target) -> None:
    """Tried as each service's account: neither the host's own sshd nor the cloud's metadata can be connected to."""
    found = []
    services = {one["name"]: one for one in target.expected.placed}
    for name in accounts(target):
        port = ("tcp", target.expected.port)
        for place, came in target.inside()["egress"][name].items():
            if "sshd" in place and port in declared(target.expected, services[name]).loopback:
                continue
            # A host without IPv4 has no way to the metadata's address either.
            if came not in ({"ECONNREFUSED"} if "sshd" in place else {"ECONNREFUSED", "ENETUNREACH"}):
                found.append(f"{name} to {place}: {came or 'no answer'}")
    empty(found, "a service's account was not refused")
