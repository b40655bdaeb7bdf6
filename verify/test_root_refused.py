"""Nobody enters as root, not even with a declared person's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.logins import refused
from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "refused"


def test_root_is_refused(target: Target) -> None:
    """root is turned away."""
    key = next(
        (
            key
            for name in [target.expected.operator, *target.expected.ssh_users]
            if name and (key := target.outside.key_of(name))
        ),
        None,
    )
    attempts = target.outside.login("root", key or target.outside.stranger_key())
    if key is None:
        target.note("root was tried with a stranger's key: nobody's private key is known to this verification")
    empty(refused(target, "root", attempts), "root is not refused")
