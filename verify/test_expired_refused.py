"""A person whose last day is over is refused, with the very key that used to open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.logins import refused
from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "refused"


def test_expired_person_is_refused(target: Target) -> None:
    """Their key, where it is known, does not open; where it is not, it is nowhere in force."""
    people = target.expected.expired
    if not people:
        not_applicable("nobody in the inventory has expired")
    old = {str(key.get("fingerprint")): one["name"] for one in people for key in one.get("keys") or []}
    current = {key for one in target.expected.valid for key in target.expected.fingerprints(one["name"])}
    problems = [
        f"{listed['path']} line {key['line']} is {old[key['fingerprint']]}'s key"
        for listed in target.inside()["authorized_keys"]
        for key in listed["keys"]
        if key["fingerprint"] in old and key["fingerprint"] not in current
    ]
    known = [(one["name"], key) for one in people if (key := target.outside.key_of(one["name"]))]
    for name, key in known[:1]:
        problems += refused(target, name, target.outside.login(name, key))
    if not known:
        target.note("expired people's private keys are not known here: that they are nowhere in force was seen inside")
    empty(problems, "expired people")
