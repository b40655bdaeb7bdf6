"""Accounts that nobody declared are refused, whatever key they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.logins import refused
from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "refused"
IMAGE_ACCOUNTS: Final = ("debian", "admin", "ubuntu", "ec2-user", "cloud-user", "vagrant")


def test_undeclared_account_is_refused(target: Target) -> None:
    """An account that exists on the host without being declared, else one that images usually bring."""
    facts = target.inside()
    expected = target.expected
    present = sorted(
        (
            one["name"]
            for one in facts["accounts"]
            if one["name"] not in expected.ssh_users and one["shell"] in facts["shells"] and one["name"] != "root"
        ),
        key=expected.accounts.__contains__,
    )
    # Where the people's keys are known, one of them is brought along: it must count for its owner alone.
    key = next((key for name in expected.ssh_users if (key := target.outside.key_of(name))), None)
    first = str((expected.host.get("ssh") or {}).get("first_user") or "")
    names = [
        *present,
        *[one for one in (first, *IMAGE_ACCOUNTS) if one and one != "root" and one not in expected.ssh_users],
    ]
    name = names[0]
    attempts = target.outside.login(name, key or target.outside.stranger_key())
    empty(refused(target, name, attempts), "undeclared accounts")
