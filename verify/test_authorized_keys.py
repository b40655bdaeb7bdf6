"""Every key that opens the host belongs to somebody who is declared and whose time has not run out.

Looked for wherever sshd itself would read keys, under every condition in its configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty
from verify.sshd import answers, value, where

if TYPE_CHECKING:
    from verify.target import Target

NONE = ("", "none")


def test_every_key_is_declared(target: Target) -> None:
    """No key is in force that the inventory does not give to that account."""
    problems = []
    for listed in target.inside()["authorized_keys"]:
        declared = target.expected.fingerprints(listed["account"])
        for key in listed["keys"]:
            if key["fingerprint"] not in declared:
                shown = key["fingerprint"] or "unreadable"
                problems.append(f"{listed['path']} line {key['line']}: {shown} opens {listed['account']}")
            if "cert-authority" in key["options"]:
                problems.append(f"{listed['path']} line {key['line']}: trusts certificates for {listed['account']}")
    empty(list(dict.fromkeys(problems)), "keys that nobody declared")


def test_no_other_source(target: Target) -> None:
    """No program and no certificate authority hands out access beside the declared keys."""
    problems = [
        f"{key} is {found} for {where(answer)}"
        for answer in answers(target)
        for key in ("authorizedkeyscommand", "trustedusercakeys", "authorizedprincipalscommand")
        if (found := value(answer["options"], key)) not in NONE
    ]
    empty(list(dict.fromkeys(problems)), "access comes from elsewhere too")


def test_only_root_can_add_a_key(target: Target) -> None:
    """Key files belong to root, so that no account can add a key to itself or to others."""
    facts = target.inside()
    problems = []
    for answer in answers(target):
        places = value(answer["options"], "authorizedkeysfile").split()
        # A relative place and %h lie in a home, which its owner writes.
        problems += [
            f"sshd reads {place} for {where(answer)}, which the account itself can write"
            for place in places
            if place != "none" and (not place.startswith("/") or "%h" in place)
        ]
    for listed in facts["authorized_keys"]:
        found = listed["stat"]
        if found and (found["uid"] != 0 or found["mode"] & 0o022):
            problems.append(f"{listed['path']} can be written by others than root ({found['mode']:04o})")
    folder = facts["authorized_keys_d"]
    if folder and (folder["uid"] != 0 or folder["mode"] & 0o022):
        problems.append(f"/etc/ssh/authorized_keys.d can be written by others than root ({folder['mode']:04o})")
    empty(list(dict.fromkeys(problems)), "keys can be added by others than root")
