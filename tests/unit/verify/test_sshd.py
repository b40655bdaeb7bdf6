"""sshd is asked about each connection that could be special; those that it was not asked about are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from verify.remote import inside
from verify.sshd import answers

if TYPE_CHECKING:
    from verify.target import Target

MATCH = ("/etc/ssh/sshd_config", 9, "Match Address 10.0.0.0/8")
ADDRESS = "203.0.113.77"


class Answers:
    """A host that was asked about so many connections, and not about so many others."""

    def __init__(self, asked: int, left_out: int, code: int = 0) -> None:
        self.said = {"sshd": [{"rc": code, "error": "line 3"}] * asked, "sshd_left_out": left_out}

    def inside(self) -> dict[str, Any]:
        """What it says about itself."""
        return self.said


def asked(given: Answers) -> list[dict[str, Any]]:
    return answers(cast("Target", given))


@pytest.mark.parametrize(("accounts", "left_out"), [(125, 0), (126, 2), (300, 350)])
def test_connections_that_are_left_out_are_counted(accounts: int, left_out: int) -> None:
    names = [f"user{number}" for number in range(accounts)]
    found, rest = inside.connections(names, {}, [MATCH], ADDRESS)
    assert (len(found), rest) == (min(2 * accounts, inside.MAX_CONNECTIONS), left_out)
    assert {one["user"] for one in found if one["addr"] == ADDRESS} == set(names[: inside.MAX_CONNECTIONS])


def test_a_connection_that_was_left_out_breaks_the_promise() -> None:
    assert len(asked(Answers(250, 0))) == 250
    with pytest.raises(AssertionError, match="asked about 250 connections of 253, and what it does with the others"):
        asked(Answers(250, 3))


def test_an_sshd_that_cannot_say_breaks_it_too() -> None:
    with pytest.raises(AssertionError, match="rejects its own configuration: line 3"):
        asked(Answers(1, 0, code=255))
    with pytest.raises(AssertionError, match="not asked about anybody"):
        asked(Answers(0, 0))
