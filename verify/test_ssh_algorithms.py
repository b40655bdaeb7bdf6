"""The encryption that the host offers is modern, by the judgement of ssh-audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from verify.outcome import empty, not_applicable
from verify.outside import objections, unmet

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"


def policy(target: Target) -> str:
    """ssh-audit's hardened policy for the host's release."""
    version = target.inside()["release"].get("VERSION_ID", "")
    names = {"12": "Hardened Debian 12 (version 3)", "13": "Hardened Debian 13 (version 1)"}
    if version not in names:
        not_applicable(f"ssh-audit has no policy for release {version}")
    return names[version]


@pytest.fixture(scope="session")
def audits() -> dict[str, dict[str, Any]]:
    """Answers by host, asked once."""
    return {}


def asked(target: Target, audits: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ssh-audit found on one host."""
    if target.name not in audits:
        audits[target.name] = target.outside.audit(policy(target))
    return audits[target.name]


def test_no_failure_and_no_warning(target: Target, audits: dict[str, dict[str, Any]]) -> None:
    """Its default scan finds no failure and no warning."""
    problems, remarks = objections(asked(target, audits))
    for one in remarks:
        target.note(one)
    empty(problems, "ssh-audit objects")


def test_hardened_policy(target: Target, audits: dict[str, dict[str, Any]]) -> None:
    """It passes the hardened policy for its release."""
    empty(unmet(asked(target, audits)), f"the policy {policy(target)} is not met")
