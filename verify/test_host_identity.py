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


def pinned(target: Target) -> set[str]:
    """Fingerprints of the keys by which this controller knows the host."""
    return {fingerprint(line) for line in target.outside.pins if not line.startswith("@")}


def test_checking_is_on(target: Target) -> None:
    """This controller refuses a host that shows another key."""
    found = target.outside.ssh.get("stricthostkeychecking", "")
    assert found in ("yes", "true", "ask"), f"StrictHostKeyChecking is {found} for {target.name}"
    assert target.outside.pins, f"no host key of {target.name} is pinned"


def test_every_offered_key_is_pinned(target: Target) -> None:
    """Every key that the host offers is the pinned one of its type."""
    known = pinned(target)
    offered = {one["fingerprint"]: one["type"] for one in target.inside()["host_keys"]}
    empty(
        [f"the {kind} key {shown} is not pinned" for shown, kind in offered.items() if shown not in known],
        "host keys that nobody here knows",
    )


def test_declared_key(target: Target) -> None:
    """The key that was declared before the first contact is among them, as long as no run has replaced it."""
    declared = str((target.expected.host.get("ssh") or {}).get("host_key") or "")
    if not declared:
        not_applicable("no host key is declared: the first contact was trusted, and pinned")
    shown = fingerprint(f"x {declared}")
    if shown in {one["fingerprint"] for one in target.inside()["host_keys"]}:
        return
    # A run that replaces a key (a weak one, or one that others could read) pins the new one, and forgets the old one.
    assert shown not in pinned(target), (
        f"the declared key {shown} is pinned, and the host does not offer it: no run has replaced it. Find out who "
        "did; if it was you, run playbooks/site.yml and declare a key that is offered"
    )
    target.note(
        f"a run has replaced the declared key {shown} over a proved login: declare a key that the host offers now"
    )


def test_name(target: Target) -> None:
    """It bears the name that the inventory gives it, by which its logs tell whose they are."""
    wanted, found = target.name.replace("_", "-"), target.inside()["hostname"]
    assert found == wanted, (
        f"it calls itself {found}, not {wanted}: run playbooks/site.yml, then `hostname -F /etc/hostname`"
    )
