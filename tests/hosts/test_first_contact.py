"""The first contact with a host whose key nobody has declared: shown, kept, and held against all that comes later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .starts import SITE, Witness, pinned

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
    kept = pinned(bare)
    key = " ".join(bare.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    assert f"{key} trusted on first use {bare.sh('date -u +%F').strip()}" in kept, kept
    second = bare.play(SITE, "--check")
    assert f"{shown} as pinned" in second.text
    assert "trusted on first use" not in second.text

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
