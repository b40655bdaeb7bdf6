"""One file of keys for each account."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from filter_plugins.key_files import key_files


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
