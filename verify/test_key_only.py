"""SSH accepts keys and nothing else, whoever asks and wherever from.

Asked of sshd itself, for every account and for every condition in its configuration that could make an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty
from verify.sshd import KEY_ONLY, answers, value, where

if TYPE_CHECKING:
    from verify.target import Target


def test_only_keys(target: Target) -> None:
    """No password, no keyboard question, no host trust and no ticket opens a session."""
    problems = []
    for answer in answers(target):
        for key, wanted in KEY_ONLY.items():
            found = value(answer["options"], key)
            if found and found != wanted:
                problems.append(f"{key} is {found} for {where(answer)}")
        methods = value(answer["options"], "authenticationmethods")
        if methods not in ("", "any") and not all(one.startswith("publickey") for one in methods.split()):
            problems.append(f"authenticationmethods is {methods} for {where(answer)}")
    empty(list(dict.fromkeys(problems)), "sshd would accept something other than a key")


def test_no_foreign_exception(target: Target) -> None:
    """No root login and no environment from strangers, under any condition."""
    problems = []
    for answer in answers(target):
        if value(answer["options"], "permitrootlogin") != "no":
            problems.append(f"permitrootlogin is {value(answer['options'], 'permitrootlogin')} for {where(answer)}")
        if value(answer["options"], "permituserenvironment") not in ("no", ""):
            problems.append(f"permituserenvironment is on for {where(answer)}")
    empty(list(dict.fromkeys(problems)), "sshd makes an exception")
