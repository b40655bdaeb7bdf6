"""Write docs/how-to/lockout.md's table from what tests/hosts/test_lockout.py saw on both releases.

The tests append a line for each attack to .holdfast/results/lockout.jsonl; the last line of an attack counts.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / ".holdfast" / "results" / "lockout.jsonl"
PAGE = ROOT / "docs" / "how-to" / "lockout.md"
BEGIN, END = "<!-- written by the test: begin -->", "<!-- written by the test: end -->"


def table(lines: list[str], day: str) -> str:
    """Return the table: an attack a row, a release a column, seconds until the operator was in again."""
    seen: dict[str, dict[str, dict[str, object]]] = {}
    for line in lines:
        result = json.loads(line)
        seen.setdefault(result["attack"], {})[result["release"]] = result
    rows = [f"Seen on {day}; seconds from the start of the run to a fresh login with sudo.", ""]
    rows += ["| attack | seen as | Debian 12 | Debian 13 |", "|---|---|---|---|"]
    for attack, results in seen.items():
        cells = [str(results[r]["login"]) if r in results else "not run" for r in ("bookworm", "trixie")]
        what = str(next(iter(results.values()))["seen"]).replace("|", ", ")
        rows.append(f"| {attack} | {what} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> int:
    """Rewrite the page's table; 1 when there is nothing to write."""
    if not RESULTS.exists():
        print("no results: run tests/hosts/test_lockout.py on both releases first")
        return 1
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    # The day of the last attack, not of this call.
    day = datetime.datetime.fromtimestamp(RESULTS.stat().st_mtime, datetime.UTC).date().isoformat()
    new = table(RESULTS.read_text(encoding="utf-8").splitlines(), day)
    PAGE.write_text(f"{head}{BEGIN}\n{new}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
