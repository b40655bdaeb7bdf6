"""The encryption that the host offers is modern, by the judgement of ssh-audit."""

from __future__ import annotations

import pytest

from verify.outcome import empty, not_applicable
from verify.outside import json_in
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
def audits() -> dict[str, list[dict[str, object]]]:
    """Answers by host, asked once."""
    return {}


def asked(target: Target, audits: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    """Both runs of ssh-audit against one host."""
    if target.name not in audits:
        audits[target.name] = target.outside.audit(policy(target))
    return audits[target.name]


def test_no_failure_and_no_warning(target: Target, audits: dict[str, list[dict[str, object]]]) -> None:
    """Its default scan finds no failure and no warning."""
    data = json_in(str(asked(target, audits)[0]["out"]))
    problems = []
    for kind in ("kex", "key", "enc", "mac"):
        entries = data.get(kind) or []
        assert entries, f"ssh-audit saw no {kind}: {str(asked(target, audits)[0])[:300]}"
        for entry in entries:
            for level in ("fail", "warn"):
                problems += [f"{entry['algorithm']}: {level}: {text}" for text in (entry.get("notes") or {}).get(level) or []]
    problems += [f"known flaw: {one.get('name') or one}" for one in data.get("cves") or []]
    empty(problems, "ssh-audit objects")


def test_hardened_policy(target: Target, audits: dict[str, list[dict[str, object]]]) -> None:
    """It passes the hardened policy for its release."""
    data = json_in(str(asked(target, audits)[1]["out"]))
    empty([f"{one.get('mismatched_field')}: found {one.get('actual')}, wanted {one.get('expected_required')}"
           for one in data.get("errors") or []] or ([] if data.get("passed") else ["ssh-audit does not say that it passed"]),
          f"the policy {data.get('policy')} is not met")
