"""Write docs/how-to/lockout.md's table from what tests/hosts/test_lockout.py saw on both releases.

The tests append a line for each attack that held to the end to .holdfast/results/attacks.jsonl; the last line of an
attack on a release counts. Run it from the project's root, as a module.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tests.hosts.attacks import ATTACKS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / ".holdfast" / "results" / "attacks.jsonl"
PAGE = ROOT / "docs" / "how-to" / "lockout.md"
BEGIN, END = "<!-- written by the test: begin -->", "<!-- written by the test: end -->"
RELEASES = ("bookworm", "trixie")
LONGEST = 130  # characters of a reason that a row has room for
# What a run adds to its reason, the same in most rows.
REST = re.compile(r"(?:;? the host put| Where your key| The host (?:put|could)).*", re.IGNORECASE)


def shortened(reason: str) -> str:
    """Return the beginning and the end of what a run gave as its reason, as a cell of a table."""
    short = REST.sub("", reason)
    if len(short) > LONGEST:
        half = LONGEST // 2
        short = f"{short[:half].rpartition(' ')[0]} … {short[-half:].partition(' ')[2]}"
    return short.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def table(lines: list[str]) -> str:
    """Return the table: an attack a row, a release a column, seconds until the operator was in again.

    :raises ValueError: an attack was not seen on a release.
    """
    seen = {(found["attack"], found["release"]): found for found in map(json.loads, lines)}
    wanted = [(attack.name, release) for attack in ATTACKS for release in RELEASES]
    if missing := [f"{name} ({release})" for name, release in wanted if (name, release) not in seen]:
        raise ValueError(f"not seen yet: {', '.join(missing)}")
    days = sorted({seen[one]["day"] for one in wanted})
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    rows = [f"Seen {when}; seconds from the start of the run to a fresh login with sudo.", ""]
    rows += ["| attack | what the run said | Debian 12 | Debian 13 |", "|---|---|---|---|"]
    for attack in ATTACKS:
        results = [seen[attack.name, release] for release in RELEASES]
        cells = " | ".join(str(found["login"]) for found in results)
        rows.append(f"| {attack.name} | {shortened(results[0]['reason'])} | {cells} |")
    return "\n".join(rows)


def main() -> int:
    """Rewrite the page's table; 1 when there is too little to write it from."""
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    try:
        new = table(RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else [])
    except ValueError as error:
        print(f"docs/how-to/lockout.md stays as it is: run tests/hosts/test_lockout.py on both releases. {error}")
        return 1
    PAGE.write_text(f"{head}{BEGIN}\n{new}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
