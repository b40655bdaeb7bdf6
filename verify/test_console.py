"""One declared account opens the console when the network is gone, and SSH does not know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import not_applicable
from verify.sshd import admitted

if TYPE_CHECKING:
    from verify.target import Target


def test_console_door(target: Target) -> None:
    """The console account has a password, is not expired and may become root."""
    name = target.expected.console
    if not name:
        not_applicable("declared to have no console door")
    facts = target.inside()
    account = next((one for one in facts["accounts"] if one["name"] == name), None)
    assert account, f"there is no account {name}"
    assert account["password"] == "usable", f"{name} has no usable password"
    assert account["expires"] is None or account["expires"] > facts["today"], f"{name}'s account has expired"
    assert account["shell"] in facts["shells"], f"{name}'s shell {account['shell']} does not admit a login"
    rights = next(one for one in facts["sudo"] if one["name"] == name)
    assert any("ALL" in entry["commands"] for entry in rights["entries"]), f"{name} cannot become root"


def test_console_account_is_not_for_ssh(target: Target) -> None:
    """Unless it belongs to a declared person, SSH refuses the console account."""
    name = target.expected.console
    if not name:
        not_applicable("declared to have no console door")
    if name in target.expected.ssh_users:
        not_applicable(f"{name} is a declared person, who enters by key")
    assert not admitted(target.effective(name), name, target.inside()["groups"]), f"SSH admits {name}"
