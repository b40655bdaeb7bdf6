"""What the role places on a host is the whole program, and it runs there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles/services"


def test_all_of_the_program_is_placed_and_runs(tmp_path: Path) -> None:
    """As the role and run.yml call it. It leaves nothing beside it."""
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    place, modules = "/usr/local/lib/holdfast/services", variables["services__modules"]
    placed = {}
    for entry in variables["services__program"]:
        found = re.search(r"(services__from|role_path) ~ '(.*?)'", entry["content"])
        assert found
        source = found[2].removeprefix("/files/") if found[1] == "role_path" else f"program/{found[2]}"
        placed[entry["path"].replace("{{ services__modules }}", modules)] = source
    placed.pop("/etc/systemd/system/holdfast-job-well@.service")
    assert sorted(placed.values()) == sorted(
        str(path.relative_to(ROLE / "files")) for path in ROLE.rglob("files/**/*.py")
    )
    (tmp_path / "services-program").mkdir()
    for path, source in placed.items():
        shutil.copy(ROLE / "files" / source, path.replace(place, f"{tmp_path}/services"))
    command = [sys.executable, "-IS", str(tmp_path / "services"), "run", "no-such-service"]
    done = subprocess.run(command, input="true\n", capture_output=True, text=True, check=False, cwd="/")
    assert (done.stdout, done.returncode) == ("no service 'no-such-service' with a release runs on this host\n", 2)
    assert list(tmp_path.rglob("__pycache__")) == []
