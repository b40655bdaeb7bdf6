"""No program makes its user another one, except those that Debian needs for that or that were declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty
from verify.packages import matches

if TYPE_CHECKING:
    from verify.target import Target


def test_setuid_programs_are_declared(target: Target) -> None:
    """Every set-uid and set-gid program that somebody can reach on a local disk is on the list, by one of its names."""
    found = target.inside()["ground"]["setuid"]
    assert found is not None, "the host could not list its set-uid programs within 90 s, or has no disk of a known kind"
    patterns = target.expected.allowed("setuid")
    empty(
        [
            f"{names[0]}: take the bit off with chmod a-s (policy.base.purge does), or allow it in policy.base.setuid"
            for names in found
            if not any(matches(name, patterns) for name in names)
        ],
        "set-uid programs that nobody declared",
    )
