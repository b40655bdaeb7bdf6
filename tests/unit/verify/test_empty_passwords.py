"""Which of the two files an account's password is judged by: the one that PAM goes by."""

from __future__ import annotations

import pwd

import pytest

from verify.remote import inside

SHADOW = "bob:{}:20000:0:99999:7:::\n"


@pytest.mark.parametrize(
    ("passwd", "shadow", "kind", "in_shadow"),
    [
        ("x", "", "empty", True),
        ("x", "*", "none", True),
        ("", "*", "empty", False),
        ("$6$salt$hash", "!", "usable", False),
        ("*", "$6$salt$hash", "none", False),
    ],
)
def test_what_passwd_says_counts_first(
    passwd: str, shadow: str, kind: str, in_shadow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = pwd.struct_passwd(("bob", passwd, 1001, 1001, "", "/home/bob", "/bin/bash"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry])
    monkeypatch.setattr(inside, "read", lambda _path: SHADOW.format(shadow))
    (found,) = inside.accounts_of_host()
    assert (found["password"], found["in_shadow"]) == (kind, in_shadow)
