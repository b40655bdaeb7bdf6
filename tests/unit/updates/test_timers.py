"""Timers of the updates: no time reaches one that the rehearsal has not judged."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles/updates"


def test_every_declared_time_is_judged_in_the_rehearsal() -> None:
    (task,) = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    judged = [argv[-1] for argv in task["fileset"]["validate"] if argv[:2] == ["/usr/bin/systemd-analyze", "calendar"]]
    written = [
        time
        for path in sorted((ROLE / "templates").iterdir())
        for time in re.findall(r"(?m)^OnCalendar=(.*\{\{.*)$", path.read_text())
    ]
    assert len(written) == 2
    assert sorted(judged) == sorted(written)
