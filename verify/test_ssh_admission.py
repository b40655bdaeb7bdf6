"""SSH admits only accounts of people who are declared and whose time has not run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty
from verify.sshd import admitted, answers, where

if TYPE_CHECKING:
    from verify.target import Target


def test_allow_list_is_closed(target: Target) -> None:
    """Every connection is held against a list of admitted groups, under every condition."""
    empty(
        [
            f"no allow-list for {where(answer)}"
            for answer in answers(target)
            if not any(answer["options"].get(key) for key in ("allowgroups", "allowusers"))
        ],
        "sshd admits everybody",
    )


def test_only_declared_are_admitted(target: Target) -> None:
    """No other account on the host passes the list."""
    facts = target.inside()
    allowed = set(target.expected.ssh_users)
    problems = [
        f"{where(answer)} would be admitted"
        for answer in answers(target)
        if (name := answer["connection"]["user"]) not in allowed
        and any(one["name"] == name for one in facts["accounts"])
        and admitted(answer["options"], name, facts["groups"])
    ]
    empty(list(dict.fromkeys(problems)), "sshd admits accounts that nobody declared")
