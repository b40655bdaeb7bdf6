"""Somebody who knocks again and again is soon not heard any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from verify.outcome import empty, not_applicable
from verify.outside import objections
from verify.test_ssh_algorithms import policy

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "brute force"
# Each knock is a penalty of 1 s, which a second forgives; sshd acts from 15 s on (PerSourcePenalties, sshd_config(5)).
KNOCKS_OF_A_PENALTY = 25
UNTRIED = "not tried: it shuts the trying address out for a while; tested before release on test hosts"


@pytest.fixture(scope="session")
def knocks() -> dict[str, dict[str, Any]]:
    """What became of the knocks, by host: it is knocked once."""
    return {}


def burst_of(target: Target) -> int:
    """Connections that one address may open at once, by the policy."""
    return int((target.expected.policy.get("ssh") or {}).get("burst") or 60)


def penalties_known(target: Target) -> bool:
    """Whether the host's sshd can hold what happened against an address; OpenSSH can since 9.8."""
    return any("persourcepenalties" in one["options"] for one in target.inside()["sshd"])


def knocked(target: Target, knocks: dict[str, dict[str, Any]], wanted: bool) -> dict[str, Any]:
    """Knock at one host, once for all checks, until both the firewall and sshd were seen to have enough of it."""
    if not wanted:
        not_applicable(UNTRIED)
    if target.name not in knocks:
        if len(target.outside.families()) == 1:
            # ssh-audit's scan came from the same address: what the host holds against it has to run off first.
            time.sleep(int((target.expected.policy.get("ssh") or {}).get("penalty_max") or 40) + 1)
        # Beyond the burst, what refills meanwhile, and some to see the silence.
        ways = ["dropped", *(["turned away"] if penalties_known(target) else [])]
        knocks[target.name] = target.outside.flood(burst_of(target) + 60, ways)
    return knocks[target.name]


def test_key_exchange_is_not_for_free(target: Target, brute_force_wanted: bool) -> None:
    """ssh-audit's default scan, its rate test included, finds no failure and no warning."""
    if not brute_force_wanted:
        not_applicable(UNTRIED)
    empty(objections(target.outside.audit(policy(target), rate_test=True))[0], "ssh-audit objects")


def test_knocking_is_throttled(target: Target, knocks: dict[str, dict[str, Any]], brute_force_wanted: bool) -> None:
    """Connections beyond the declared burst are not heard."""
    found, burst = knocked(target, knocks, brute_force_wanted), burst_of(target)
    silent = found["dropped"] + found["turned away"] + found["unclear"]
    assert found["heard"] > 0, "not even the first knock was heard"
    assert silent > 0, f"all {found['heard']} knocks in {found['took']} s were heard; declared: {burst}"
    assert found["heard"] <= burst + 30, f"{found['heard']} knocks were heard before silence; declared: {burst}"


def test_the_firewall_counts(target: Target, knocks: dict[str, dict[str, Any]], brute_force_wanted: bool) -> None:
    """The firewall drops them, whatever sshd does."""
    found = knocked(target, knocks, brute_force_wanted)
    assert found["dropped"] > 0, (
        f"no knock was dropped on its way to sshd: {shown(found)}; declared: {burst_of(target)}"
    )


def test_sshd_counts(target: Target, knocks: dict[str, dict[str, Any]], brute_force_wanted: bool) -> None:
    """sshd turns an address away that comes again and again without logging in, whatever the firewall does."""
    if not penalties_known(target):
        not_applicable("this release's sshd cannot: OpenSSH holds such things against an address since 9.8")
    found = knocked(target, knocks, brute_force_wanted)
    if not found["turned away"] and found["heard"] < KNOCKS_OF_A_PENALTY:
        not_applicable(f"the firewall was silent before sshd had enough: {shown(found)}")
    assert found["turned away"] > 0, f"sshd turned no knock away: {shown(found)}"


def shown(found: dict[str, Any]) -> str:
    """What became of the knocks, for people."""
    return (
        f"{found['heard']} heard, {found['turned away']} turned away, {found['dropped']} dropped in {found['took']} s"
    )
