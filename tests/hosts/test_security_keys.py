"""A run by somebody whose only key is a security key: what it asks for, and what happens when nobody is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab import inventory

from .security_key import PIN_GIVEN, TOUCHED, Owner, SecurityKey, agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Target

SITE = "playbooks/site.yml"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecurityKey]:
    """A security key in the agent of this test."""
    made = SecurityKey()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for the name of a socket
        monkeypatch.setenv("SSH_AUTH_SOCK", f"{folder}/agent")
        with agent(made, Path(folder) / "agent"):
            yield made


def change(target: Target, **more: Any) -> None:
    """Change the operator's entry."""
    path = target.inventory.path / "group_vars/all/people.yml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry = next(person for person in data["people"] if person["name"] == inventory.OPERATOR)
    entry.update(more)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")


@pytest.fixture
def owned(bare: Target, key: SecurityKey) -> Target:
    """A bare host whose provider has put the security key's public half into it, and nobody else's."""
    folder = bare.inventory.path
    public = folder / "keys/security.pub"
    public.write_text(f"{key.line} security\n", encoding="utf-8")
    bare.inventory.keys["security"] = public
    connection = folder / "group_vars/all/connection.yml"
    connection.write_text(yaml.safe_dump({"ansible_ssh_private_key_file": str(public)}), encoding="utf-8")
    met = yaml.safe_load((folder / "group_vars/all/people.yml").read_text(encoding="utf-8"))["people"][0]["keys"][0]
    change(bare, factors="fido2", keys=[{**met, "name": "security", "key": key.line}])
    bare.sh(f"echo '{key.line}' > /root/.ssh/authorized_keys")
    return bare


def enters(target: Target) -> bool:
    """Whether the operator gets in with the security key."""
    return target.ssh(inventory.OPERATOR, key="security", seconds=10) == 0


def test_a_run_with_a_security_key(owned: Target, key: SecurityKey) -> None:
    """It asks at the contact and where a commit proves itself; with ``fido2`` nobody enters without the PIN."""
    key.owner = Owner(seconds=9)  # as long as a PIN takes
    owned.play(SITE)
    assert key.asked == 3, "the contact's login as root, the commit's as the operator, and that with which it goes on"

    key.owner, key.asked = Owner(), 0
    again = owned.play(SITE)
    assert (again.changed, key.asked) == (0, 1), "the contact's login"

    assert enters(owned)
    key.owner = Owner(flags=TOUCHED)
    assert not enters(owned), "a touch is no PIN"
    key.owner = Owner(flags=PIN_GIVEN)
    assert not enters(owned), "a PIN is no touch"
    key.owner = Owner(flags=TOUCHED)
    refused = owned.play(SITE, expect=2)
    assert "one with a PIN in an agent that asks for it" in refused.reason

    # A key that is only touched is declared as what it then is.
    key.owner = Owner()
    change(owned, factors="key")
    owned.play(SITE)
    key.owner = Owner(flags=TOUCHED)
    assert enters(owned)
    key.asked = 0
    touched = owned.play(SITE)
    assert (touched.changed, key.asked) == (0, 1)
    key.owner = Owner(flags=0)
    assert not enters(owned), "a key that nobody touched"


@pytest.mark.full
def test_nobody_at_the_key_when_the_commit_asks(owned: Target, key: SecurityKey) -> None:
    """The host puts itself back, the run says what the key may have waited for, and the next run goes through."""
    owned.play(SITE)
    key.asked = 0
    key.owner = Owner(patience=1)
    change(owned, factors="key")
    failed = owned.play(SITE, expect=2)
    assert key.asked > 1, "the commit asked"
    assert failed.seconds < 180, "the run ends though nobody comes"
    assert "Where your key waited in vain for a touch or a PIN" in failed.reason, failed.reason
    key.owner = Owner(flags=TOUCHED)
    assert not enters(owned), "the host is as it was: the PIN is asked for"
    key.owner = Owner()
    assert enters(owned)
    assert owned.play(SITE).changed
    assert not owned.play(SITE).changed
