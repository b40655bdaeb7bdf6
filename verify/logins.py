"""Logins that must be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.outside import Attempt
    from verify.target import Target


def stranger(target: Target) -> tuple[str, list[Attempt]]:
    """Log in as a declared person, the operator if there is one, with a key that nobody declared.

    Returns:
        The name and what was answered in each address family.
    """
    names = target.expected.ssh_users
    operator = target.expected.operator
    name = operator if operator in names else next(iter(names), "holdfast-stranger")
    return name, target.outside.login(name, target.outside.stranger_key())


def refused(target: Target, who: str, attempts: list[Attempt]) -> list[str]:
    """Problems with logins that the host should have refused after hearing them: silence proves nothing."""
    problems = []
    for one in attempts:
        if one.entered:
            problems.append(f"{who} entered over IPv{one.family}")
        elif not one.methods:
            if len(attempts) > 1 and not target.outside.prefix and "unreachable" in one.text:
                target.note(f"there is no IPv{one.family} from here: refusals were tried over the other family only")
                continue
            problems.append(f"{who} over IPv{one.family}: no refusal was heard, but: {one.text[-300:] or one.rc}")
    return problems


def other_methods(attempts: list[Attempt]) -> list[str]:
    """Methods other than a key that the host offered."""
    return [
        f"{method} is offered over IPv{one.family}"
        for one in attempts
        for method in one.methods
        if method != "publickey"
    ]
