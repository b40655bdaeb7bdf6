"""The host proves with a pinned key that it is the one it claims to be."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"


def fingerprint(line: str) -> str:
    """SHA256 fingerprint of a known_hosts line."""
    words = line.split()
    blob = base64.b64decode(words[2])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def test_checking_is_on(target: Target) -> None:
    """This controller refuses a host that shows another key."""
    found = target.outside.ssh.get("stricthostkeychecking", "")
    assert found in ("yes", "true", "ask"), f"StrictHostKeyChecking is {found} for {target.name}"
    assert target.outside.pins, f"no host key of {target.name} is pinned"


def test_every_offered_key_is_pinned(target: Target) -> None:
    """Every key that the host offers is the pinned one of its type."""
    pinned = {fingerprint(line) for line in target.outside.pins}
    offered = {one["fingerprint"]: one["type"] for one in target.inside()["host_keys"]}
    empty(
        [f"the {kind} key {shown} is not pinned" for shown, kind in offered.items() if shown not in pinned],
        "host keys that nobody here knows",
    )


def test_declared_key(target: Target) -> None:
    """The key that was declared before the first contact is among them."""
    declared = str((target.expected.host.get("ssh") or {}).get("host_key") or "")
    if not declared:
        not_applicable("no host key is declared: the first contact was trusted, and pinned")
    words = declared.split()
    offered = {one["fingerprint"] for one in target.inside()["host_keys"]}
    shown = words[0] if words[0].startswith("SHA256:") else fingerprint(f"x {declared}")
    if shown not in offered:
        target.note("the declared host key is no longer offered: it was replaced over an authenticated session")


def test_name(target: Target) -> None:
    """It bears the name that the inventory gives it, by which its logs tell whose they are."""
    wanted, found = target.name.replace("_", "-"), target.inside()["hostname"]
    assert found == wanted, (
        f"it calls itself {found}, not {wanted}: run playbooks/site.yml, then `hostname -F /etc/hostname`"
    )
