"""What ssh-audit says is judged, its contradiction on Debian 12 included."""

from __future__ import annotations

import json
from typing import Any

from verify.outside import QUANTUM, objections, unmet


def audit(*kex: tuple[str, dict[str, list[str]]], **more: Any) -> dict[str, Any]:
    data = {kind: [{"algorithm": "good", "notes": {}}] for kind in ("key", "enc", "mac")}
    data["kex"] = [{"algorithm": name, "notes": notes} for name, notes in kex]
    return {
        "out": f"noise\n{json.dumps(data)}",
        "text": "",
        "policy_kex": ["curve25519-sha256"],
        "errors": [],
        "passed": True,
        **more,
    }


def test_clean() -> None:
    assert objections(audit(("mlkem768x25519-sha256", {}))) == ([], [])


def test_what_the_policy_asks_for_is_a_remark() -> None:
    problems, remarks = objections(audit(("curve25519-sha256", {"warn": [QUANTUM]})))
    assert not problems
    assert len(remarks) == 1


def test_other_warnings_are_problems() -> None:
    assert objections(audit(("ecdh-sha2-nistp256", {"warn": [QUANTUM]})))[0]
    assert objections(audit(("curve25519-sha256", {"warn": ["something else"]})))[0]


def test_seeing_nothing_is_a_problem() -> None:
    assert objections(audit())[0]
    assert objections({"out": "", "text": "broke", "policy_kex": []})[0] == ["no result: broke"]
    assert unmet({"errors": [], "passed": None, "text": "broke", "out": ""})


def test_policy() -> None:
    error = {
        "mismatched_field": "Key exchanges",
        "expected_required": ["sntrup761x25519-sha512", "curve25519-sha256"],
        "actual": ["sntrup761x25519-sha512"],
    }
    assert unmet(audit(errors=[error], passed=False)) == []
    assert unmet(audit(errors=[{**error, "actual": ["curve25519-sha256"]}], passed=False))
    assert unmet(audit(errors=[{**error, "mismatched_field": "MACs"}], passed=False))
