"""The first contact with a host whose key nobody has declared: shown, kept, and held against all that comes later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .conftest import HOST
from .starts import REFUSED, SITE, Witness, pinned

if TYPE_CHECKING:
    from .conftest import Target

FINGERPRINT = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2"
# As a host that was set up anew, or somebody in its place, would show.
OTHER_KEYS = """
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl restart ssh
"""
LOGINS = "journalctl -q -t sshd -t sshd-session -g '^Accepted' -o cat --no-pager | wc -l"


def test_trusted_on_first_use(bare: Target) -> None:
    """The fingerprint is shown and recorded with its day, once; another key is refused before anybody logs in."""
    shown = bare.sh(FINGERPRINT).strip()
    first = bare.play(SITE, "--check")
    assert f"{shown} trusted on first use" in first.text
    assert bare.sh(REFUSED).strip() == "1", "the operator's, before the provider's"
    kept = pinned(bare)
    key = " ".join(bare.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    assert f"{key} trusted on first use {bare.sh('date -u +%F').strip()}" in kept, kept
    second = bare.play(SITE, "--check")
    assert f"{shown} as pinned" in second.text
    assert "trusted on first use" not in second.text
    assert bare.sh(REFUSED).strip() == "1", "the login that worked is remembered"

    bare.sh(OTHER_KEYS)
    logins = bare.sh(LOGINS)
    witness = Witness(bare)
    refused = bare.play(SITE, expect=None)
    assert refused.code != 0
    assert "the host key of web1 is not the pinned one" in refused.text
    assert shown in refused.text
    assert bare.sh(FINGERPRINT).strip() in refused.text
    assert bare.sh(LOGINS) == logins
    assert pinned(bare) == kept
    witness.assert_untouched()


def test_host_keys_stay_checked(bare: Target) -> None:
    """What switches them off is refused before anybody logs in; no task's own ssh is told to take any key."""
    bare.environment["ANSIBLE_HOST_KEY_CHECKING"] = "False"
    refused = bare.play(SITE, expect=None)
    assert refused.code != 0
    assert "ANSIBLE_HOST_KEY_CHECKING: found host keys are not checked" in refused.text
    assert bare.sh(LOGINS).strip() == "0"
    assert not pinned(bare)

    bare.environment = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}  # a connection of its own for each
    bare.play(SITE, "--check")
    told = [line for line in bare.play(SITE, "--check", "-vvv").text.splitlines() if "SSH: EXEC ssh" in line]
    assert len(told) > 1, "no task has logged in"
    for line in told:
        assert "/.holdfast/ssh_config" in line
        assert "StrictHostKeyChecking=no" not in line
        assert "StrictHostKeyChecking=accept-new" not in line


def test_installed_anew_with_a_remembered_login(bare: Target) -> None:
    """Whether its remembered port is closed now or not: one login is refused before the provider's works."""
    logins = bare.inventory.path / ".holdfast/logins"
    logins.mkdir(parents=True)

    def remember_another_port() -> None:
        (logins / f"{HOST}.json").write_text(json.dumps({"user": bare.inventory.operator, "port": 2222}))

    remember_another_port()
    closed = bare.play(SITE, "--check")
    assert f"{bare.inventory.operator}@{HOST} port 2222: refused" in closed.text
    assert bare.sh(REFUSED).strip() == "1"
    bare.sh("printf 'Port 22\\nPort 2222\\n' > /etc/ssh/sshd_config.d/10-ports.conf; systemctl restart ssh")
    remember_another_port()
    bare.play(SITE, "--check")
    assert bare.sh(REFUSED).strip() == "2"
