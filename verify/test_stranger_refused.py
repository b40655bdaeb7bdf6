"""A stranger's key is refused, also under the name of somebody who is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.logins import refused, stranger
from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "refused"


def test_stranger_with_a_known_name(target: Target) -> None:
    """A declared name with a key that nobody declared does not open."""
    name, attempts = stranger(target)
    empty(refused(target, f"a stranger as {name}", attempts), "a stranger is not refused")
