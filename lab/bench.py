"""`make bench`: what a run costs, as ratios of one session, so that the speed of the machine falls out."""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from lab import inventory
from lab.hosts import Lab
from lab.play import ROOT, play
from lab.progress import LabError, progress

HOSTS = 8
# What a run without change may cost at most, by what is measured, and how the page calls it.
BOUNDS: dict[str, tuple[float, str]] = {
    "calls": (20, "remote calls of a host"),
    "pings": (8, "pings"),
    "scaling": (3, f"times from 1 to {HOSTS} hosts"),
    "service": (0.2, "s for each further service"),
}
SERVICES = 4
REPEATS = 3
SHOWN = 6  # of the first run's parts
PAGE = Path("docs/bench.md")


def ping(arguments: list[str]) -> float:
    """Return the wall seconds of one `ansible -m ping` of the first host."""
    ansible = [str(Path(sys.executable).parent / "ansible"), "-m", "ansible.builtin.ping", *arguments, "h1"]
    began = time.monotonic()
    done = subprocess.run(ansible, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise LabError(f"ping failed: {done.stdout}{done.stderr}")
    return time.monotonic() - began


def site(arguments: list[str], *, unchanged: bool = True) -> tuple[float, int, dict[str, float]]:
    """Run site.yml and return (wall seconds, most remote calls of one host, seconds by task).

    Raises LabError on failure or change.
    """
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls.json"
        enabled = {
            "ANSIBLE_CALLBACKS_ENABLED": "remote_calls,ansible.posix.profile_tasks",
            "HOLDFAST_CALLS_FILE": str(calls),
        }
        outcome = play("playbooks/site.yml", arguments, show=False, environment=enabled)
        if outcome.code or (unchanged and outcome.changed):
            raise LabError(f"site.yml failed or changed something:\n{outcome.text[-3000:]}")
        counted = json.loads(calls.read_text(encoding="utf-8"))
        return outcome.seconds, int(counted["most"]), counted["tasks"]


def by_role(tasks: dict[str, float]) -> list[tuple[str, float]]:
    """Return (role, seconds) of the tasks, the longest first."""
    spent: dict[str, float] = {}
    for name, seconds in tasks.items():
        role = name.partition(" : ")[0] if " : " in name else "the plays themselves"
        spent[role] = spent.get(role, 0) + seconds
    return sorted(spent.items(), key=lambda entry: -entry[1])


def further_services(inv: inventory.Inventory, one: list[str], alone: float) -> float:
    """Declare more services, and return the seconds that each of them costs a run without change."""
    sample = {"on": ["web"], "release": {"path": str(inventory.SAMPLE)}}
    run = {"web": {"exec": "serve", "health": {"path": "/healthz"}}}
    more = [{"name": f"further{number}", **sample, "run": run} for number in range(SERVICES)]
    path = inv.path / "group_vars/all/services.yml"
    path.write_text(yaml.safe_dump({"services": [*inventory.default_services(), *more]}), encoding="utf-8")
    site(one, unchanged=False)
    return (statistics.median(site(one)[0] for _ in range(REPEATS)) - alone) / SERVICES


def ssh_settings(folder: Path, user: str) -> list[str]:
    """Return extra variables that let a plain `ansible -m ping` reach the hardened hosts."""
    if not (folder / ".holdfast/ssh_config").exists():
        raise LabError(f"the run left no ssh_config in {folder}/.holdfast")
    return ["-e", f"ansible_user={user}", "-e", f"ansible_ssh_common_args='-F {folder}/.holdfast/ssh_config'"]


def measure(release: str) -> dict[str, Any]:
    """Measure one release: seconds of a ping, of runs without change on 1 and on 8 hosts, calls, and their ratios.

    And the first run of one host with where its time goes, of the others at once, and what a further service costs.
    """
    with Lab(f"bench-{release}") as lab, tempfile.TemporaryDirectory() as folder:
        hosts = [lab.start(f"h{number}", release) for number in range(1, HOSTS + 1)]
        inv = inventory.write(Path(folder), hosts)
        one = [*inv.arguments, "--limit", "h1"]
        progress.say(f"{release}: first run on one host, then on {HOSTS - 1}")
        first, _, tasks = site(one, unchanged=False)
        others = site([*inv.arguments, "--limit", "!h1"], unchanged=False)[0]
        pings, alone, all_hosts, calls = [], [], [], 0
        reach = [*inv.arguments, *ssh_settings(inv.path, inv.operator)]
        for number in range(REPEATS):
            # Interleaved, so that a busy minute of the machine hits all three alike.
            pings.append(ping(reach))
            seconds, most, _ = site(one)
            alone.append(seconds)
            calls = max(calls, most)
            all_hosts.append(site(inv.arguments)[0])
            progress.say(
                f"{release}: round {number + 1}: {pings[-1]:.1f} s ping, {alone[-1]:.1f} s, {all_hosts[-1]:.1f} s"
            )
        values = {
            "ping": statistics.median(pings),
            "one": statistics.median(alone),
            "eight": statistics.median(all_hosts),
        }
        return {
            **values,
            "first": first,
            "others": others,
            "roles": by_role(tasks),
            "service": further_services(inv, one, values["one"]),
            "calls": calls,
            "pings": values["one"] / values["ping"],
            "scaling": values["eight"] / values["one"],
        }


def verdict(value: float, bound: float) -> str:
    """Return in words whether a value keeps its bound."""
    return "met" if value <= bound else "not met"


def page(results: dict[str, dict[str, Any]], today: datetime.date) -> str:
    """Return the text of docs/bench.md."""
    rows = [
        f"| {release} | {r['calls']:.0f} | {r['pings']:.2f} | {r['scaling']:.2f} | "
        f"{r['ping']:.2f} | {r['one']:.2f} | {r['eight']:.2f} | {r['service']:.2f} |"
        for release, r in results.items()
    ]
    verdicts = [
        f"| at most {bound:g} {what} | "
        f"{' | '.join(f'{r[name]:.2f}: {verdict(r[name], bound)}' for r in results.values())} |"
        for name, (bound, what) in BOUNDS.items()
    ]
    header = (
        f"| release | remote calls | in pings | 1 → {HOSTS} hosts | ping (s) | 1 host (s) | {HOSTS} (s) "
        "| each further service (s) |"
    )
    firsts = [
        f"| {release} | {r['first']:.0f} | {r['others']:.0f} | "
        f"{', '.join(f'{role} {seconds:.1f}' for role, seconds in r['roles'][:SHOWN])} |"
        for release, r in results.items()
    ]
    return "\n".join(
        (
            "# What a run costs",
            "",
            f"Written by `make bench` on {today}, {os.cpu_count()} cores, medians of {REPEATS} interleaved rounds.",
            "Remote calls: commands and file transfers over SSH, per host, in a `site.yml` run that changes nothing.",
            "",
            header,
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "What it may cost, judged before rounding:",
            "",
            f"| bound | {' | '.join(results)} |",
            f"|---|{'---|' * len(results)}",
            *verdicts,
            "",
            "The first run on a bare host, packages fetched from a mirror:",
            "",
            f"| release | one host (s) | {HOSTS - 1} more at once (s) | where the time of the one goes (s) |",
            "|---|---|---|---|",
            *firsts,
            "",
        )
    )


def run() -> int:
    """Measure both releases, write the page, and return 1 when a bound is broken."""
    results = {release: measure(release) for release in ("bookworm", "trixie")}
    text = page(results, datetime.datetime.now(datetime.UTC).date())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    broken = [
        f"{release}: {values[name]:.2f} {what}, at most {bound:g}"
        for release, values in results.items()
        for name, (bound, what) in BOUNDS.items()
        if verdict(values[name], bound) != "met"
    ]
    for line in broken:
        print(f"bound broken: {line}")
    return 1 if broken else 0
