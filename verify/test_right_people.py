"""The right people, and the operator among them, can enter and administer the host.

A host that lets nobody in would keep every other promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable
from verify.sshd import admitted

if TYPE_CHECKING:
    from verify.target import Target


def test_operator_enters_and_is_root(target: Target) -> None:
    """The one who runs this enters over SSH and becomes root by sudo."""
    user, operator, admins = target.outside.ssh.get("user", ""), target.expected.operator, target.expected.admins
    assert user in admins, f"the login that works is {user}'s, who is no declared admin"
    assert user == operator or operator not in admins, f"the login that works is {user}'s, not {operator}'s"
    assert target.host.check_output("id -u") == "0"


def test_accounts_exist(target: Target) -> None:
    """Everybody with a right here has an open account that SSH admits."""
    facts = target.inside()
    found = {one["name"]: one for one in facts["accounts"]}
    if not target.expected.valid:
        not_applicable("nobody holds a right on this host")
    problems = []
    for name in target.expected.ssh_users:
        account = found.get(name)
        if account is None:
            problems.append(f"{name} has no account")
            continue
        if account["expires"] is not None and account["expires"] < facts["today"]:
            problems.append(f"{name}'s account has expired")
        if account["shell"] not in facts["shells"]:
            problems.append(f"{name}'s shell is {account['shell'] or 'missing'}")
        if account["max_days"] is not None and account["max_days"] < 10000 and account["password"] != "usable":
            problems.append(f"{name} has no password, but one that ages would shut the account")
        if not admitted(target.effective(name), name, facts["groups"]):
            problems.append(f"SSH does not admit {name}: not in an allowed group")
    empty(problems, "the door is shut for people who hold a right")


def test_keys_are_there(target: Target) -> None:
    """Every declared key of everybody with a right here is in force."""
    present: dict[str, set[str]] = {}
    for listed in target.inside()["authorized_keys"]:
        present.setdefault(listed["account"], set()).update(key["fingerprint"] for key in listed["keys"])
    empty(
        [
            f"{name}: {fingerprint} is declared, but not on the host"
            for name in target.expected.ssh_users
            for fingerprint in sorted(target.expected.fingerprints(name) - present.get(name, set()))
        ],
        "declared keys are missing",
    )
