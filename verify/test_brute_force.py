"""Somebody who knocks again and again is soon not heard any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable
from verify.outside import objections
from verify.test_ssh_algorithms import policy

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "brute force"
UNTRIED = "not tried: it shuts the trying address out for a while; tested before release on test hosts"


def test_key_exchange_is_not_for_free(target: Target, brute_force_wanted: bool) -> None:
    """ssh-audit's default scan, its rate test included, finds no failure and no warning."""
    if not brute_force_wanted:
        not_applicable(UNTRIED)
    empty(objections(target.outside.audit(policy(target), rate_test=True))[0], "ssh-audit objects")


def test_knocking_is_throttled(target: Target, brute_force_wanted: bool) -> None:
    """Connections beyond the declared burst are dropped."""
    if not brute_force_wanted:
        not_applicable(UNTRIED)
    ssh = target.expected.policy.get("ssh") or {}
    burst = int(ssh.get("burst") or 60)
    if len(target.outside.families()) == 1:
        # The scan above came from the same address: what the host holds against it has to run off first.
        time.sleep(int(ssh.get("penalty_max") or 40) + 1)
    # Beyond the burst, what refills meanwhile, and some to see the silence.
    found = target.outside.flood(burst + 60)
    assert found["heard"] > 0, "not even the first knock was heard"
    assert found["silent"] > 0, f"all {found['heard']} knocks in {found['took']} s were heard; declared: {burst}"
    assert found["heard"] <= burst + 30, f"{found['heard']} knocks were heard before silence; declared: {burst}"
