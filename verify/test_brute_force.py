"""Somebody who knocks again and again is soon not heard any more."""

from __future__ import annotations

from verify.outcome import not_applicable
from verify.target import Target

STAGE = "brute force"


def test_knocking_is_throttled(target: Target, brute_force_wanted: bool) -> None:
    """Connections beyond the declared burst are dropped."""
    if not brute_force_wanted:
        not_applicable("not tried: it shuts the trying address out for a while; tested before release on test hosts")
    ssh = target.expected.policy.get("ssh") or {}
    burst = int(ssh.get("burst") or 60)
    # Beyond the burst, what refills meanwhile, and some to see the silence.
    found = target.outside.flood(burst + 60)
    assert found["heard"] > 0, "not even the first knock was heard"
    assert found["silent"] > 0, f"all {found['heard']} knocks in {found['took']} s were heard; declared: {burst}"
    assert found["heard"] <= burst + 30, f"{found['heard']} knocks were heard before the first silence; declared: {burst}"
