"""No account has a password except those that were declared to have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

NEVER: Final = 10000
"""Days after which nobody waits any more; Debian writes 99999 for never."""


def test_no_other_password(target: Target) -> None:
    """Every other account's password is locked, and none is empty."""
    problems = []
    for one in target.inside()["accounts"]:
        if one["password"] == "empty":
            problems.append(f"{one['name']} has an empty password")
        elif one["password"] == "usable" and one["name"] not in target.expected.passwords:
            problems.append(f"{one['name']} has a password")
        if not one["in_shadow"] and one["password"] == "usable":
            problems.append(f"{one['name']}'s password is in /etc/passwd")
    problems += [f"group {one} has a password" for one in target.inside()["group_passwords"]]
    empty(problems, "passwords that nobody declared")


def test_no_password_that_is_not_there_ages(target: Target) -> None:
    """No account is locked by the age of a password that it does not have."""
    empty(
        [
            f"{one['name']} would be locked {one['max_days']} days after its last change: chage -M -1 {one['name']}"
            for one in target.inside()["accounts"]
            if one["password"] in ("locked", "none") and (one["max_days"] or NEVER) < NEVER
        ],
        "passwords that are not there would expire",
    )


def test_declared_ones_are_there(target: Target) -> None:
    """Those who were declared to have one do, or their sudo would be dead."""
    if not target.expected.passwords:
        not_applicable("nobody is declared to have a password here")
    found = {one["name"]: one["password"] for one in target.inside()["accounts"]}
    empty(
        [
            f"{name}: {found.get(name, 'no account')}"
            for name in target.expected.passwords
            if found.get(name) != "usable"
        ],
        "declared passwords are not in force",
    )
