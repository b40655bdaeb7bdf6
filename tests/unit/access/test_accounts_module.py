"""The decisions of the accounts module: who is undeclared, who is closed, which sudo rules are not ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).parents[3]


def load(path: str) -> Any:
    """Load a plugin by its path."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


accounts = load("library/accounts.py")
key_files = load("filter_plugins/key_files.py").key_files

PASSWD = """root:x:0:0::/root:/bin/bash
daemon:x:1:1::/:/usr/sbin/nologin
alice:x:1000:1000::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
eve:x:1002:1002::/home/eve:/bin/bash
nobody:x:65534:65534::/:/usr/sbin/nologin
broken
"""
SHADOW = """root:*:20000:0:99999:7:::
daemon:*:20000:0:99999:7::1:
alice:!:20000:0:99999:7::1:
bob:!$6$x$y:20000:0:99999:7::1:
eve:$6$x$y:20000:0:99999:7:::
nobody:*:20000:0:99999:7::1:
"""


def test_only_people_whom_nobody_declares_are_named() -> None:
    """System accounts and declared people are left out."""
    found = accounts.undeclared_names(PASSWD, SHADOW, {"alice"}, range(1000, 60001))
    assert found == {"bob": True, "eve": False}


def test_account_without_shadow_line_is_left_alone() -> None:
    """What the guard could not have closed is not ended."""
    assert accounts.undeclared_names(PASSWD, "", set(), range(1000, 60001)) == {}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n", []),
        ("Defaults env_reset\n# a = b\n@includedir /etc/sudoers.d\n#includedir /x=y\n", []),
        ("Cmnd_Alias A = /bin/ls\nUser_Alias B = eve\n", []),
        ("\ndebian ALL=(ALL) NOPASSWD:ALL\n", [2]),
        ("%admin ALL=(ALL) \\\n  ALL\neve ALL=ALL\n", [1, 3]),
        ("root ALL=(ALL:ALL) NOPASSWD: ALL\n", [1]),
    ],
)
def test_rules_that_grant(text: str, lines: list[int]) -> None:
    """Whoever gets a right is named by line; Debian's own two rules are not."""
    assert accounts.granting_rules(text) == lines


def test_key_files_are_sorted_and_whole() -> None:
    """One file an account, even without keys."""
    found = key_files([{"name": "bob", "lines": []}, {"name": "alice", "lines": ["a", "b"]}])
    assert [entry["path"] for entry in found] == ["/etc/ssh/authorized_keys.d/alice", "/etc/ssh/authorized_keys.d/bob"]
    assert [entry["content"] for entry in found] == ["a\nb\n", ""]


@pytest.mark.parametrize(
    "entry", [{"name": "../x", "lines": []}, {"name": "x", "lines": ["a\nb"]}, {"name": ".x", "lines": []}]
)
def test_key_files_refuse_what_would_leave_the_directory(entry: dict[str, object]) -> None:
    """A name or a line cannot smuggle anything in."""
    with pytest.raises(AnsibleFilterError):
        key_files([entry])
