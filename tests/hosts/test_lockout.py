"""Try to lock yourself out: after each attack the operator gets in from outside, and the next run repairs."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from .attacks import ATTACKS, Attack
from .condition import SCRIPT
from .conftest import ROOT, Target

if TYPE_CHECKING:
    from pathlib import Path

PLAYBOOK = "tests/hosts/playbooks/attack.yml"
SECONDS = 15  # the guard's time in these tests; a user's default is 60
RESULTS = ROOT / ".holdfast" / "results" / "lockout.jsonl"


def wait_for_login(target: Target, began: float, limit: float) -> float:
    """Seconds since ``began`` at which a fresh login with sudo worked."""
    while time.monotonic() - began < limit:
        if target.ssh("oper", seconds=3) == 0:
            return time.monotonic() - began
        time.sleep(0.5)
    pytest.fail(f"locked out: no login within {limit:.0f} s")


def record(release: str, attack: Attack, seen: str, back: float) -> None:
    """Keep the result for the table in the docs."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as handle:
        handle.write(
            json.dumps({"release": release, "attack": attack.name, "seen": seen, "login": round(back, 1)}) + "\n"
        )


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack(target: Target, release: str, attack: Attack, tmp_path: Path) -> None:
    """The run fails with its reason, the host is exactly as before, the operator gets in."""
    if attack.before:
        target.sh(attack.before)
    before = target.sh(SCRIPT)
    extra: dict[str, object] = {"attack_stage": attack.stage, "attack_seconds": SECONDS, "attack_login": attack.login}
    if attack.expired:
        extra["attack_stage"] = {"files": []}
        extra["attack_changes"] = {"expires": "2020-01-01"}
    orders = tmp_path / "attack.json"
    orders.write_text(json.dumps(extra), encoding="utf-8")
    began = time.monotonic()
    run = target.play(PLAYBOOK, "-e", f"@{orders}", expect=2)
    assert re.search(attack.seen, run.text), f"the run should have said {attack.seen!r}:\n{run.text[-4000:]}"
    back = wait_for_login(target, began, SECONDS + 30)
    if "rehearsal" not in attack.seen:
        log = target.sh("cat /var/lib/holdfast/guard/log")
        assert "revert" in log
        assert re.search("put everything back|put itself back|puts itself back", run.text)
    after = target.sh(SCRIPT)
    assert after == before
    record(release, attack, attack.seen, back)  # only what held to the end stands in the docs


def test_the_next_run_repairs(target: Target, tmp_path: Path) -> None:
    """After a reverted commit the ordinary playbook finds the declared state again."""
    orders = tmp_path / "attack.json"
    orders.write_text(json.dumps({"attack_stage": ATTACKS[0].stage, "attack_seconds": SECONDS}), encoding="utf-8")
    target.play(PLAYBOOK, "-e", f"@{orders}", expect=2)
    assert target.play("playbooks/site.yml").changed == 0
