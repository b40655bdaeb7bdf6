"""Every promise has a way to break it, and the verification sees each of them.

One host is hardened and verified once for each release. Then each breaker is let loose on a fresh copy, and only its
promise is asked again: it must have been green before, and be red now.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.hosts import reports
from tests.hosts.conftest import HOST, ROOT, Hardened, Target
from tests.hosts.starts import SITE
from tests.hosts.upstream import ANSWERS, declare, with_a_resolver

if TYPE_CHECKING:
    from pathlib import Path

    from lab.hosts import Lab

BREAKERS = ROOT / "tests/breakers"
PROMISES = sorted(path.stem.removeprefix("test_") for path in (ROOT / "verify").glob("test_*.py"))

pytestmark = pytest.mark.slow


@dataclass
class Baseline:
    """How a healthy host was verified, and from where."""

    outcomes: dict[str, str]
    outsider: str
    output: str


def give_resolvers(target: Target, folder: Path) -> Target:
    """Declare a resolver and make the host ask it."""
    given = with_a_resolver(target, folder)
    declare(given, ANSWERS)
    given.play(SITE)
    return given


# What a promise is about that the hardened host was not given: who gives it, and what the policy's base says then.
GIVEN = {"resolvers": (give_resolvers, {"resolvers": [ANSWERS]})}


def verify(target: Target, report: Path, promise: str, outsider: str) -> dict[str, Any]:
    """Ask one promise of a host; return its entry in the report."""
    state = target.inventory.path / ".holdfast"
    catalogue = json.loads((state / "resolved.json").read_text(encoding="utf-8"))
    catalogue["policy"]["base"]["purge"] = True  # elsewhere what is left over is listed, and breaks nothing
    catalogue["policy"]["base"].update(GIVEN[promise][1] if promise in GIVEN else {})
    resolved = report.with_name("resolved.json")
    resolved.write_text(json.dumps(catalogue), encoding="utf-8")
    arguments = [
        sys.executable, "-m", "pytest", f"verify/test_{promise}.py", "-q", "--tb=no", "-p", "no:cacheprovider",
        f"--catalogue={resolved}", f"--ssh-config={state}/ssh_config", f"--report={report}",
        f"--outsider={outsider}", f"--keys={target.inventory.path}/keys", "--brute-force",
    ]  # fmt: skip
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    data = json.loads((report / "results.json").read_text(encoding="utf-8"))
    found = [entry for host in data["hosts"] for entry in host["promises"]]
    assert len(found) == 1, f"not one promise in the report but {len(found)}:\n{done.stdout[-2000:]}{done.stderr}"
    assert (done.returncode == 0) == (found[0]["outcome"] != "failed"), "exit code and report disagree"
    entry: dict[str, Any] = found[0]
    return entry


@pytest.fixture(scope="session")
def baseline(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """Verify a fresh copy of the hardened host with the playbook."""
    outsider = shlex.join(lab.outsider())
    report = tmp_path_factory.mktemp(f"report-{release}")
    host = lab.start(HOST, release, image=hardened.image)
    run, data = reports.verify(Target(host, hardened.inventory), report, expect=None, verify_brute_force=True)
    host.stop()
    return Baseline({entry["promise"]: entry["outcome"] for entry in data["hosts"][0]["promises"]}, outsider, run.text)


def test_every_promise_has_a_breaker() -> None:
    """Neither a promise without a breaker nor a breaker without its promise."""
    assert sorted(path.stem for path in BREAKERS.glob("*.sh")) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_promise_turns_red(target: Target, baseline: Baseline, promise: str, tmp_path: Path) -> None:
    """Break a healthy host in exactly one way; its promise must see it."""
    healthy, said = baseline.outcomes.get(promise, "missing"), baseline.output[-4000:]
    if promise in GIVEN:
        assert healthy == "not applicable", f"it was not given what the promise is about, which is {healthy}"
        target = GIVEN[promise][0](target, tmp_path)
        entry = verify(target, tmp_path / "healthy", promise, baseline.outsider)
        healthy, said = entry["outcome"], json.dumps(entry, indent=2)
    assert healthy == "passed", f"on a healthy host the promise is {healthy}:\n{said}"
    script = (BREAKERS / f"{promise}.sh").read_text(encoding="utf-8")
    target.sh(f"export OPERATOR={shlex.quote(target.inventory.operator)}\n{script}")
    entry = verify(target, tmp_path / "report", promise, baseline.outsider)
    assert entry["outcome"] == "failed", f"the host is broken, but: {json.dumps(entry, indent=2)}"
    details = " ".join(check["detail"] for check in entry["checks"])
    assert "could not be examined" not in details, f"red for want of an answer, not for what broke: {details[:600]}"
