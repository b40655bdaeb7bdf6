"""root is one account, without a password, and nobody else is root under another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target


def test_only_root_is_root(target: Target) -> None:
    """No other account has root's number, and none its group."""
    empty(
        [
            f"{one['name']} has user number 0" if one["uid"] == 0 else f"{one['name']} is in root's own group"
            for one in target.inside()["accounts"]
            if one["name"] != "root"
            and (one["uid"] == 0 or one["gid"] == 0)
            and one["name"] not in ("sync", "shutdown", "halt", "operator")
        ],
        "root under another name",
    )


def test_root_has_no_password(target: Target) -> None:
    """root's password is locked."""
    root = next(one for one in target.inside()["accounts"] if one["name"] == "root")
    assert root["password"] in ("locked", "none"), "root has a usable password"
