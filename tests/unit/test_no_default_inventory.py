"""Without -i Ansible knows no host, and takes no program of the project for an inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_is_run_for_want_of_an_inventory(tmp_path: Path) -> None:
    """An empty setting would mean the folder of ansible.cfg: each executable in it would be run as an inventory."""
    (tmp_path / "ansible.cfg").write_text((ROOT / "ansible.cfg").read_text(encoding="utf-8"), encoding="utf-8")
    script = tmp_path / "tests/breaker.sh"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\necho '{{}}'\n", encoding="utf-8")
    script.chmod(0o755)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "--list"],
        cwd=tmp_path, env={**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}
    assert not (tmp_path / "was-run").exists()


def test_breakers_are_no_programs() -> None:
    """They break the host on which they run: the tests give them to a host of theirs as text."""
    breakers = list((ROOT / "tests/breakers").glob("*.sh"))
    assert breakers
    assert not [path.name for path in breakers if path.stat().st_mode & 0o111]
