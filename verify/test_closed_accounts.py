"""Accounts of people who are not, or no longer, declared are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target


def test_undeclared_accounts_are_closed(target: Target) -> None:
    """Every human account that is not declared is locked and expired, the provider's own included."""
    facts = target.inside()
    problems = []
    for one in facts["accounts"]:
        if not facts["uid_min"] <= one["uid"] <= facts["uid_max"] or one["name"] in target.expected.accounts:
            continue
        if one["password"] in ("usable", "empty"):
            problems.append(f"{one['name']} can use a password")
        if one["expires"] is None or one["expires"] > facts["today"]:
            problems.append(f"{one['name']} is open: the account has not expired")
    empty(problems, "open accounts that nobody declared")


def test_expired_people_are_closed(target: Target) -> None:
    """Nobody whose last day is over still has an open account."""
    facts = target.inside()
    over = {one["name"]: one["until"] for one in target.expected.expired}
    empty(
        [
            f"{one['name']}, declared until {over[one['name']]}, has an open account"
            for one in facts["accounts"]
            if one["name"] in over and (one["expires"] is None or one["expires"] > facts["today"])
        ],
        "people whose time is over",
    )
