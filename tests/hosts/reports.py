"""A verification with the playbook, and what its report says."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Run, Target

VERIFY = "playbooks/verify.yml"


def verify(
    target: Target, report: Path, *arguments: str, expect: int | None = 0, **variables: Any
) -> tuple[Run, dict[str, Any]]:
    """Verify the hosts of the target's inventory from the lab's outsider; return the run and results.json."""
    variables = {
        "verify_outsider": shlex.join(target.host.lab.outsider()),
        "verify_report": str(report),
        "verify_keys": f"{target.inventory.path}/keys",
        **variables,
    }
    run = target.play(VERIFY, "-e", json.dumps(variables), *arguments, expect=expect)
    assert (report / "results.json").is_file(), run.text[-4000:]
    data: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return run, data


def checks(data: dict[str, Any], host: str) -> Iterator[tuple[str, str, str]]:
    """Yield (promise, outcome, detail) of each check of one host."""
    for promise in next(entry for entry in data["hosts"] if entry["name"] == host)["promises"]:
        for check in promise["checks"]:
            yield promise["promise"], check["outcome"], check["detail"]


def details(data: dict[str, Any], host: str, outcome: str) -> dict[str, list[str]]:
    """What was said of one host's checks that ended so, by promise."""
    found: dict[str, list[str]] = {}
    for promise, ended, detail in checks(data, host):
        if ended == outcome:
            found.setdefault(promise, []).append(detail)
    return found
