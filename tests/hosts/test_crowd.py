"""A crowd behind one address: refused logins, then ten operators and eight CI jobs at once; and an attacker."""

from __future__ import annotations

import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import HOST, Target
from .starts import SITE, edit, own

if TYPE_CHECKING:
    from pathlib import Path

OPERATORS, JOBS = 10, 8
CROWD_SECONDS = 45.0  # the longest penalty is 40 s
BURST, PER_MINUTE = 60, 30  # the policy's defaults
REFUSED = 8  # what one verify run provokes


def client(target: Target, user: str, key: str, *, patience: float = 0, command: str = "true") -> tuple[bool, float]:
    """Log in, again and again for ``patience`` seconds; return whether it worked, and when the last try began."""
    argv = [
        "ssh", "-F", "none", "-i", str(target.inventory.keys[key]), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={target.inventory.path}/known_hosts/{HOST}", "-o", f"HostKeyAlias={HOST}",
        "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20", f"{user}@{target.host.address}", command,
    ]  # fmt: skip
    start = time.monotonic()
    while True:
        # How long the try itself takes, eighteen at once, tells of this machine and not of the host's throttle.
        began = time.monotonic() - start
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False)
        if done.returncode == 0 or began > patience:
            return done.returncode == 0, began
        time.sleep(2)


def crowd(target: Target, *, patience: float) -> list[tuple[bool, float]]:
    """Ten operators and eight CI jobs, all at once."""
    people = [("oper", "oper"), ("alice", "alice"), ("bob", "bob")]
    everybody = [people[number % len(people)] for number in range(OPERATORS)] + [("ci-blog", "ci-blog")] * JOBS
    with ThreadPoolExecutor(len(everybody)) as pool:
        return list(pool.map(lambda who: client(target, *who, patience=patience, command="sleep 1"), everybody))


def trust_us(target: Target, folder: Path) -> Target:
    """Declare the network of the tests as a trusted source."""
    return with_policy(target, folder, trusted_sources=[str(target.host.lab.network()[0])])


def with_policy(target: Target, folder: Path, **ssh: Any) -> Target:
    """Give the host another policy for SSH."""
    mine = own(target, folder)
    edit(mine, "group_vars/all/policy.yml", lambda data: data["policy"].update(ssh=ssh))
    mine.play(SITE)
    return mine


def test_crowd_after_refusals(target: Target) -> None:
    """All get in within the longest penalty, right after the refused logins of a verification."""
    for _ in range(REFUSED):
        client(target, "oper", "stranger")
        time.sleep(2)
    seen = crowd(target, patience=CROWD_SECONDS)
    assert all(ok for ok, _ in seen), seen
    assert max(began for _, began in seen) < CROWD_SECONDS, seen
    assert target.play(SITE).changed == 0


@pytest.mark.full
def test_attacker_is_throttled_and_trusted_sources_never(target: Target, tmp_path: Path) -> None:
    """Bad logins one after the other end in silence; from a trusted source they never do."""
    tries = 90
    began = time.monotonic()
    outcomes = attack(target, tries)
    admitted = BURST + PER_MINUTE * (time.monotonic() - began) / 60
    assert outcomes.count("denied") <= admitted + 4, outcomes
    assert outcomes.count("turned away") > 10, outcomes
    mine = trust_us_past_the_penalty(target, tmp_path)
    assert set(attack(mine, tries)) == {"denied"}
    seen = crowd(mine, patience=0)
    assert all(ok for ok, _ in seen), seen


@pytest.mark.full
def test_guard_waits_out_a_throttle(target: Target, release: str, tmp_path: Path) -> None:
    """Its fresh login is turned away at first, and confirms within the guard's time."""
    orders = tmp_path / "orders.json"
    stage = {"files": [{"path": "/etc/holdfast/sample", "content": "kept\n", "mode": "0644"}]}
    orders.write_text(
        json.dumps({"attack_stage": stage, "attack_seconds": 60, "attack_throttled": True}), encoding="utf-8"
    )
    if (
        release == "bookworm"
    ):  # however slow the run is: what the firewall allows in a minute is not there again by then
        target = with_policy(target, tmp_path, per_minute=4)
    run = target.play("tests/hosts/playbooks/attack.yml", "-v", "-e", f"@{orders}")
    found = re.findall(r"^ *- ([0-9.]+) s ([a-z ]+)$", run.text, re.MULTILINE)
    tries = [(float(seconds), how) for seconds, how in found]
    assert tries[-1][1] == "ok", tries
    assert target.sh("cat /etc/holdfast/sample") == "kept\n"
    if release == "bookworm":  # the firewall alone: it is silent, and TCP itself sends again what it drops
        assert tries[-1][0] > 0.9, tries
        assert {how for _, how in tries[:-1]} <= {"no answer"}, tries
    else:
        assert {how for _, how in tries[:-1]} == {"throttled"}, tries


def trust_us_past_the_penalty(target: Target, folder: Path) -> Target:
    """Wait out what the attack earned us, then declare us trusted."""
    ok, _ = client(target, "oper", "oper", patience=90)
    if not ok:
        pytest.fail("the penalty never ended")
    return trust_us(target, folder)


def attack(target: Target, tries: int) -> list[str]:
    """Bad logins, some at once; what became of each: denied by name, or turned away before that."""
    argv = [
        "ssh", "-F", "none", "-i", str(target.inventory.keys["stranger"]), "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={target.inventory.path}/known_hosts/{HOST}", "-o", f"HostKeyAlias={HOST}",
        "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", f"oper@{target.host.address}", "true",
    ]  # fmt: skip

    def once(_: int) -> str:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return "denied" if "Permission denied" in done.stderr else "turned away"

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(once, range(tries)))
