"""What a role places of its program on a host is the whole program, and it runs there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"
PLACE = "/usr/local/lib/holdfast"


def place(role: str, listed: str, folder: Path) -> None:
    """Put what the role lists where a host has it, below the folder."""
    variables = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    left = set((ROLES / role / "files").rglob("*.py"))
    for entry in variables[listed]:
        path = re.sub(r"\{\{ (\w+) \}\}", lambda name: variables[name[1]], entry["path"]).replace(PLACE, str(folder))
        source = ROLES / role / "files" / entry["source"]
        if source.is_dir():
            shutil.copytree(source, path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            left -= set(source.glob("*.py"))
        elif path.startswith(str(folder)):
            shutil.copy(source, path)
            left.discard(source)
    assert not left, f"{sorted(left)} would not come to any host"


@pytest.mark.parametrize(
    ("role", "listed", "command", "said"),
    [
        (
            "backup",
            "backup__code",
            "backup --help",
            "usage: backup [-h] {backup,check,init,hold,key,tell,start,restic,",
        ),
        (
            "services",
            "services__program",
            "services run no-such-service",
            "no service 'no-such-service' with a release",
        ),
        ("updates", "updates__code", "updates/updates.py --help", "updates.py check fail, with one message"),
    ],
)
def test_all_of_the_program_is_placed_and_runs(tmp_path: Path, role: str, listed: str, command: str, said: str) -> None:
    """Under the name that units, tasks and people call. It leaves nothing beside it."""
    place(role, listed, tmp_path)
    name, *words = command.split()
    first = (tmp_path / name).read_text().partition("\n")[0]
    # That of the services is no command of its own: as run.yml calls it.
    options = first.split()[1:] if first.startswith("#!") else ["-IS"]
    done = subprocess.run(
        [sys.executable, *options, str(tmp_path / name), *words],
        input="true\n", capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert said in " ".join((done.stdout + done.stderr).split()), done
    assert list(tmp_path.rglob("__pycache__")) == []
