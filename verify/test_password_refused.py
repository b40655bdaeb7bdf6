"""Passwords are refused from the network: the host does not even ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.logins import other_methods, refused, stranger
from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "refused"


def test_no_password_prompt(target: Target) -> None:
    """A login without a valid key is turned away, and no other way is offered to it.

    The same login as the stranger's: refusals are dear, the host counts them.
    """
    name, attempts = stranger(target)
    problems = refused(target, f"{name} without a valid key", attempts)
    empty([*problems, *other_methods(attempts)], "the host asks for passwords")
