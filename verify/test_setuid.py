"""No program makes its user another one, except those that Debian needs for that or that were declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty
from verify.packages import matches

if TYPE_CHECKING:
    from verify.target import Target


def test_setuid_programs_are_declared(target: Target) -> None:
    """Every set-uid and set-gid program on a local disk is on the list."""
    found = target.inside()["ground"]["setuid"]
    assert found is not None, "the host could not list its set-uid programs within 90 s"
    empty(
        [
            f"{one}: take the bit off with chmod a-s (policy.base.purge does), or allow it in policy.base.setuid"
            for one in found
            if not matches(one, target.expected.allowed("setuid"))
        ],
        "set-uid programs that nobody declared",
    )
