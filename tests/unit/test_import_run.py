"""import.yml as a user starts it, with hosts that nobody reaches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.filters.support import ROOT


def test_the_rights_of_root_are_asked_for_on_the_hosts_alone(tmp_path: Path) -> None:
    """With -b the look at the folder here went through sudo, too, with the password of another machine."""
    (tmp_path / "bin").mkdir()
    for tool in ("ssh", "sudo"):
        (tmp_path / "bin" / tool).write_text(f"#!/bin/sh\necho {tool} >> {tmp_path}/called\nexit 255\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    path = f"{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["ansible-playbook", str(ROOT / "playbooks/import.yml"), "-i", "192.0.2.9,", "-u", "debian"]
    # Another account than root: where the tests run as root, Ansible has no need to become that.
    done = subprocess.run(
        [*command, "-b", "--become-user=nobody", "-e", f"to={tmp_path}/draft", "-e", "verifier=margaret"],
        env={**os.environ, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert set((tmp_path / "called").read_text().split()) == {"ssh"}, done.stdout
    assert "UNREACHABLE" in done.stdout
