"""What kept the suite out of a host becomes one line."""

from __future__ import annotations

import pytest

from verify.entry import not_root, shut_out


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (
            "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "another host key",
        ),
        ("ssh: connect to host 192.0.2.7 port 22: Connection timed out\n", "port 22: Connection timed out"),
        ("a banner\noper@192.0.2.7: Permission denied (publickey).\n", "Permission denied"),
        ("", "said nothing"),
    ],
)
def test_ssh(stderr: str, said: str) -> None:
    assert said in shut_out(stderr)
    assert "\n" not in shut_out(stderr)


@pytest.mark.parametrize(
    ("stderr", "password", "said"),
    [
        ("Sorry, try again.\nsudo: 3 incorrect password attempts\n", True, "refuses the password"),
        ("Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n", True, "refuses"),
        ("sudo: a password is required\n", False, "with -K"),
        ("sudo: unable to resolve host x\nsudo: account validation failure\n", True, "account validation failure"),
        ("Traceback\nValueError: x\n", True, ""),
        ("", False, ""),
    ],
)
def test_sudo(stderr: str, password: bool, said: str) -> None:
    assert said in not_root(stderr, password=password)
    assert bool(said) == bool(not_root(stderr, password=password))
