"""A host that answers whatever it likes: what Ansible runs in the place of ssh."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
MARK = "holdfast-answer:"


class FakeHost:
    """The real plugins in a real run of Ansible, with web1 in the attacker's hand, and db1 as another host."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder of the playbook and of what the host prints."""
        self.folder = folder
        self.ssh = folder / "ssh"
        # What a task sends is read first, as a host does.
        self.ssh.write_text(f"#!/bin/sh\ncat > /dev/null\ncat {shlex.quote(str(folder / 'printed'))}\n")
        self.ssh.chmod(0o755)

    def prints(self, text: str) -> None:
        """Let the host print this, whatever it is asked."""
        (self.folder / "printed").write_text(text)

    def answers(self, answer: Any) -> None:
        """Let the host answer this in the place of the guard's program."""
        self.prints(f"{MARK}{json.dumps(answer)}\n")

    def play(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), hosts: str = "web1") -> str:
        """Run tasks against the host; return all that Ansible shows."""
        play = {"hosts": hosts, "gather_facts": False, "tasks": list(tasks)}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")), "-i", "web1,db1",
                str(self.folder / "play.yml"), "-e", f"ansible_ssh_executable={self.ssh}", *arguments,
            ],
            cwd=ROOT, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, check=False, capture_output=True,
            text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout + done.stderr
