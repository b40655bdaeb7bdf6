"""Every check has a way to break it, and the verification sees each of them.

One host is hardened and verified once for each release. Then the breakers are let loose on fresh copies, a round of
them on one copy, and their promises are asked again: each check that a breaker names must have been green before, and
be red now, in the words that tell of what that breaker did.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lab.progress import LabError
from tests.hosts import reports
from tests.hosts.breakers import BREAKERS, ROOT, Breaker
from tests.hosts.conftest import HOST, Hardened, Target
from tests.hosts.starts import SITE
from tests.hosts.upstream import ANSWERS, declare, with_a_resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.hosts import Lab

pytestmark = pytest.mark.slow
# By promise and check: (outcome, detail) of each time that it was made.
Outcomes = dict[tuple[str, str], list[tuple[str, str]]]


@dataclass
class Baseline:
    """How a healthy host was verified, and from where."""

    outcomes: Outcomes
    outsider: str
    output: str


@dataclass
class Round:
    """A host that was broken in several ways at once: how it was verified before and after, and which script failed."""

    before: Outcomes
    after: Outcomes = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def give_resolvers(target: Target, folder: Path) -> Target:
    """Declare a resolver and make the host ask it."""
    given = with_a_resolver(target, folder)
    declare(given, ANSWERS)
    given.play(SITE)
    return given


# What a promise is about that the hardened host was not given: who gives it, and what the policy's base says then. A
# breaker of such a promise is alone.
GIVEN = {"resolvers": (give_resolvers, {"resolvers": [ANSWERS]})}


def outcomes(promises: list[dict[str, Any]]) -> Outcomes:
    """What a report says of one host."""
    found: Outcomes = {}
    for promise in promises:
        for check in promise["checks"]:
            found.setdefault((promise["promise"], check["name"]), []).append((check["outcome"], check["detail"]))
    return found


def verify(target: Target, report: Path, promises: list[str], outsider: str) -> Outcomes:
    """Ask these promises of a host; return what each check said."""
    state = target.inventory.path / ".holdfast"
    catalogue = json.loads((state / "resolved.json").read_text(encoding="utf-8"))
    catalogue["policy"]["base"]["purge"] = True  # elsewhere what is left over is listed, and breaks nothing
    for promise in GIVEN.keys() & set(promises):
        catalogue["policy"]["base"].update(GIVEN[promise][1])
    resolved = report.with_name("resolved.json")
    resolved.write_text(json.dumps(catalogue), encoding="utf-8")
    arguments = [
        sys.executable, "-m", "pytest", *(f"verify/test_{promise}.py" for promise in promises),
        "-q", "--tb=no", "-p", "no:cacheprovider",
        f"--catalogue={resolved}", f"--ssh-config={state}/ssh_config", f"--report={report}",
        f"--outsider={outsider}", f"--keys={target.inventory.path}/keys", "--brute-force",
    ]  # fmt: skip
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    data = json.loads((report / "results.json").read_text(encoding="utf-8"))
    found = [entry for host in data["hosts"] for entry in host["promises"]]
    asked = sorted(entry["promise"] for entry in found)
    assert asked == promises, f"not these promises in the report but {asked}:\n{done.stdout[-2000:]}{done.stderr}"
    broken = any(entry["outcome"] == "failed" for entry in found)
    assert (done.returncode != 0) == broken, "exit code and report disagree"
    return outcomes(found)


@pytest.fixture(scope="session")
def baseline(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """Verify a fresh copy of the hardened host with the playbook."""
    outsider = shlex.join(lab.outsider())
    report = tmp_path_factory.mktemp(f"report-{release}")
    host = lab.start(HOST, release, image=hardened.image)
    run, data = reports.verify(Target(host, hardened.inventory), report, expect=None, verify_brute_force=True)
    host.stop()
    return Baseline(outcomes(data["hosts"][0]["promises"]), outsider, run.text)


@pytest.fixture(scope="session")
def broken(
    lab: Lab, release: str, hardened: Hardened, baseline: Baseline, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Round]:
    """Give what breaks a copy of the hardened host in all ways of a round, once, and returns how it was verified."""
    done: dict[str, Round] = {}

    def once(name: str) -> Round:
        if name not in done:
            folder = tmp_path_factory.mktemp(f"round-{release}")
            done[name] = Round(baseline.outcomes)  # where it ends in an error, the next one says what it misses
            host = lab.start(HOST, release, image=hardened.image)
            try:
                let_loose(Target(host, hardened.inventory), folder, name, baseline.outsider, done[name])
            finally:
                host.stop()
        return done[name]

    return once


def let_loose(target: Target, folder: Path, name: str, outsider: str, found: Round) -> None:
    """Break a healthy host in all ways of one round, and ask the promises that are meant."""
    ones = [one for one in BREAKERS if one.round == name]
    promises = sorted({one.promise for one in ones})
    for promise in GIVEN.keys() & set(promises):
        unasked = {outcome for (of, _), said in found.before.items() if of == promise for outcome, _ in said}
        assert unasked == {"not applicable"}, f"it was not given what the promise is about, which is {unasked}"
        target = GIVEN[promise][0](target, folder)
        found.before = verify(target, folder / "healthy", [promise], outsider)
    operator = shlex.quote(target.inventory.operator)
    for one in ones:
        try:
            target.sh(f"export OPERATOR={operator}\n{one.text}")
        except LabError as error:
            found.failed[one.name] = str(error)
    found.after = verify(target, folder / "report", promises, outsider)


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda one: one.name)
def test_its_checks_turn_red(
    breaker: Breaker, baseline: Baseline, broken: Callable[[str], Round], release: str
) -> None:
    """A healthy host is broken; each check that the breaker names must see it, and those that it keeps must not."""
    found = broken(breaker.round)
    assert breaker.name not in found.failed, f"the breaker itself failed: {found.failed[breaker.name][-2000:]}"
    for effect in breaker.effects:
        if effect.release not in ("", release):
            continue
        key = (breaker.promise, effect.check)
        healthy = {outcome for outcome, _ in found.before.get(key, [])}
        assert healthy == {"passed"}, f"on a healthy host {effect.check} is {healthy}:\n{baseline.output[-4000:]}"
        after = found.after.get(key, [])
        red = [detail for outcome, detail in after if outcome == "failed"]
        if not effect.says:
            assert not red, f"{effect.check} has to stay green, but: {red}"
            continue
        assert red, f"the host is broken, but {effect.check} says {after}"
        assert any(effect.says in detail for detail in red), (
            f"{effect.check} is red, but not for {effect.says!r}: {red}"
        )
