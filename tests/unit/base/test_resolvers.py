"""Who keeps the list of resolvers, whatever users have mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library import resolvers

if TYPE_CHECKING:
    import pytest

ROOT = "23 1 8:1 / / rw - ext4 /dev/vda1 rw"
# The kernel escapes blanks, line feeds and backslashes alone; Python's split() knows more of each.
NAME = "/home/mallory/a\r1\u20031\u20030:1\u2003/\u2003/etc/resolv.conf"
FORGED = f"99 23 0:60 / {NAME} rw - fuse x rw"


def test_a_mount_by_a_user_is_not_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name may hold what other programs take for the end of a line, and text that looks like a line."""
    monkeypatch.setattr(resolvers, "read", lambda _path: f"{ROOT}\n{FORGED}\n")
    assert {"/", NAME}
    monkeypatch.setattr("os.path.realpath", lambda _path: resolvers.FILE)
    assert resolvers.keeper() == "file"


def test_a_list_that_is_mounted_is_seen() -> None:
    assert resolvers.FILE in resolvers.mount_points(f"{ROOT}\n42 23 0:41 / {resolvers.FILE} rw - tmpfs tmpfs rw\n")
