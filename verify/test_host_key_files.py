"""The host's own keys are strong and nobody but root can read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

RSA_BITS = 3072
MODULUS_BITS = 3071
"""OpenSSH's own moduli file counts one bit less."""


def test_types_and_modes(target: Target) -> None:
    """Only ED25519 and long RSA keys are offered, and they are root's alone."""
    keys = target.inside()["host_keys"]
    assert keys, "sshd offers no host key"
    problems = []
    for key in keys:
        if key["type"] not in ("ED25519", "RSA"):
            problems.append(f"{key['path']} is of type {key['type'] or 'unknown'}")
        if key["type"] == "RSA" and key["bits"] < RSA_BITS:
            problems.append(f"{key['path']} has {key['bits']} bits only")
        if not key["stat"] or key["stat"]["uid"] != 0 or key["stat"]["mode"] & 0o077:
            problems.append(f"{key['path']} can be read by others than root")
    empty(problems, "weak or exposed host keys")


def test_moduli(target: Target) -> None:
    """No short group is left for the key exchange."""
    smallest = target.inside()["smallest_modulus"]
    if smallest is None:
        target.note("there is no moduli file: sshd uses its built-in groups")
        return
    assert smallest >= MODULUS_BITS, f"the shortest group has {smallest} bits"
