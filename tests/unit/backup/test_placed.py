"""What the role places on a host is the whole program, and it runs there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles/backup"


def test_all_of_the_program_is_placed_and_runs(tmp_path: Path) -> None:
    """Under the name that units, tasks and people call. It leaves nothing beside it."""
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    modules = variables["backup__modules"].replace("{{ backup__program }}", f"{tmp_path}/backup")
    placed = {}
    for entry in variables["backup__code"]:
        path = entry["path"].replace("{{ backup__modules }}", modules)
        found = re.search(r"(backup__from|role_path) ~ '(.*?)'", entry["content"])
        assert found
        source = found[2].removeprefix("/files/") if found[1] == "role_path" else f"program/{found[2]}"
        placed[path.replace("{{ backup__program }}", f"{tmp_path}/backup")] = source
    assert sorted(placed.values()) == sorted(
        str(path.relative_to(ROLE / "files")) for path in ROLE.rglob("files/**/*.py")
    )
    Path(modules).mkdir()
    for path, source in placed.items():
        shutil.copy(ROLE / "files" / source, path)
    options = (tmp_path / "backup").read_text().partition("\n")[0].removeprefix("#!/usr/bin/python3 ")
    command = [sys.executable, options, str(tmp_path / "backup")]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.startswith("usage: backup [-h]")
    assert "{backup,check,init,hold,key,tell,start,restic,restore}" in done.stdout
    assert sorted(path.name for path in tmp_path.rglob("__pycache__")) == []
