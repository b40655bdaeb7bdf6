"""Try to lock yourself out: after each attack the operator gets in from outside, and the next run repairs."""

from __future__ import annotations

import datetime
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from .attacks import ATTACKS, DROP_ALL, FIREWALL, NO_CHAIN, NO_RULE, Attack
from .condition import SCRIPT
from .conftest import HOST, ROOT, Target
from .starts import SITE

if TYPE_CHECKING:
    from pathlib import Path

PLAYBOOK = "tests/hosts/playbooks/attack.yml"
SECONDS = 15  # the guard's time in these tests; a user's default is 60
RESULTS = ROOT / ".holdfast" / "results" / "attacks.jsonl"
LOSSES = (
    "nft delete element inet holdfast trusted4 '{ 192.0.2.0/24 }'",
    "nft flush set inet holdfast trusted6",
    "nft flush chain inet holdfast declared",
    "chmod 711 /etc/sudoers.d",
    "chown bob /etc/ssh/authorized_keys.d",
    "systemctl stop holdfast-health.timer",
    "systemctl disable holdfast-guard",
)
LOG = "cat /var/lib/holdfast/guard/log"


def wait_for_login(target: Target, began: float, limit: float) -> float:
    """Seconds since ``began`` at which a fresh login with sudo worked."""
    while time.monotonic() - began < limit:
        if target.ssh("oper", seconds=3) == 0:
            return time.monotonic() - began
        time.sleep(0.5)
    pytest.fail(f"locked out: no login within {limit:.0f} s")


def record(release: str, attack: Attack, reason: str, back: float) -> None:
    """Keep the result for the table in the docs."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    line = {"attack": attack.name, "release": release, "day": day, "reason": reason, "login": round(back, 1)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack(target: Target, release: str, attack: Attack, tmp_path: Path) -> None:
    """The run fails with its reason, the host is exactly as before, the operator gets in, the next run runs."""
    if attack.before:
        target.sh(attack.before)
    before, log = target.sh(SCRIPT), target.sh(LOG)
    extra: dict[str, object] = {"attack_stage": attack.stage, "attack_seconds": SECONDS, "attack_login": attack.login}
    if attack.closed:
        extra["attack_stage"] = {"files": []}
        extra["attack_changes"] = {"expires": "2020-01-01", "password": True}
        extra["attack_password"] = "!"
    orders = tmp_path / "attack.json"
    orders.write_text(json.dumps(extra), encoding="utf-8")
    began = time.monotonic()
    run = target.play(PLAYBOOK, "-e", f"@{orders}", expect=2)
    assert re.search(attack.seen, run.reason), f"the reason is not {attack.seen!r}: {run.reason}"
    back = wait_for_login(target, began, SECONDS + 30)
    if attack.closed:
        assert "set the password of oper" in run.text
        assert "let oper's account end after 2020-01-01" in run.text
    said = target.sh(LOG).removeprefix(log)
    if attack.rehearsed:
        assert said == "", "it went live"
    else:
        assert " reverting: " in said
        assert attack.by_timer <= (" reverting: it was not confirmed in time" in said), said
        assert re.search("put everything back|put itself back|puts itself back", run.reason), run.reason
    after = target.sh(SCRIPT)
    assert after == before
    again = target.play(SITE)
    assert again.changed == 0, again.text
    # Only what held to the end stands in the docs.
    record(release, attack, run.reason.replace(target.host.address, HOST), back)


def test_what_a_revert_could_lose_is_seen(target: Target) -> None:
    """The condition that the attacks compare differs after each loss, and not by a login."""
    before = target.sh(SCRIPT)
    assert target.ssh("oper") == 0
    assert target.sh(SCRIPT) == before
    for loss in LOSSES:
        target.sh(loss)
        after = target.sh(SCRIPT)
        assert after != before, loss
        before = after


@pytest.mark.parametrize("rules", [NO_RULE, NO_CHAIN])
def test_rules_that_are_refused_leave_the_old_ones(target: Target, rules: str) -> None:
    """Without any rehearsal, and with no guard to put anything back: they are loaded whole or not at all."""
    live = "nft --stateless list table inet holdfast | grep -v expires"
    before = target.sh(live)
    new = DROP_ALL.format(rules=rules)
    target.sh(f"cat > {FIREWALL} <<'END'\n{new}END\n! systemctl reload holdfast-firewall")
    assert target.sh(live) == before
    assert target.ssh("oper") == 0
