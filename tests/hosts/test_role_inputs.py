"""What the wiring page hands to the roles is what their argument_specs ask for.

site.yml leaves that out, since it would cost each host a task for each role in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from .conftest import ROOT, Target
from .starts import SITE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def judging(folder: Path, **wrong: str) -> Path:
    """Return a site.yml that has every role's inputs judged, these in the place of the wiring page's."""
    plays = yaml.safe_load((ROOT / SITE).read_text(encoding="utf-8"))
    for play in plays[1:]:
        play["vars"] = wrong
    roles = [task["ansible.builtin.import_role"] for play in plays for task in play.get("tasks", ())
             if "ansible.builtin.import_role" in task]  # fmt: skip
    for role in roles:
        del role["rolespec_validate"]
    assert len(roles) > 5
    path = folder / f"{'-'.join(['site', *wrong])}.yml"
    path.write_text(yaml.safe_dump(plays), encoding="utf-8")
    return path


def test_the_inputs_fit(target: Target, tmp_path: Path) -> None:
    """Those of each role; and a wrong one is named."""
    for beside in ("group_vars", "tasks"):
        (tmp_path / beside).symlink_to(ROOT / "playbooks" / beside)
    assert target.play(judging(tmp_path), "--check").text.count("Validating arguments") > 10
    # In a play's variables, where the preflight does not look.
    assert "health_limits" in target.play(judging(tmp_path, health_limits="seven"), "--check", expect=2).text
