"""import.yml as a user starts it, with hosts that nobody reaches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.filters.support import ROOT


def start(
    folder: Path, *arguments: str, inventory: str = "192.0.2.9,", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it with an ssh and a sudo that note their arguments in the folder, and do nothing."""
    (folder / "bin").mkdir()
    for tool in ("ssh", "sudo"):
        (folder / "bin" / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >> {folder}/called\nexit 255\n')
        (folder / "bin" / tool).chmod(0o755)
    path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["ansible-playbook", str(ROOT / "playbooks/import.yml"), "-i", inventory, "-u", "debian"]
    return subprocess.run(
        [*command, "-e", f"to={folder}/draft", "-e", "verifier=margaret", *arguments],
        env={**os.environ, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment},
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_rights_of_root_are_asked_for_on_the_hosts_alone(tmp_path: Path) -> None:
    """With -b the look at the folder here went through sudo, too, with the password of another machine."""
    # Another account than root: where the tests run as root, Ansible has no need to become that.
    done = start(tmp_path, "-b", "--become-user=nobody")
    assert {line.split()[0] for line in (tmp_path / "called").read_text().splitlines()} == {"ssh"}, done.stdout
    assert "UNREACHABLE" in done.stdout


@pytest.mark.parametrize(
    ("environment", "arguments", "named"),
    [
        ({"ANSIBLE_HOST_KEY_CHECKING": "False"}, (), "ANSIBLE_HOST_KEY_CHECKING would let any host pass"),
        ({}, ("-e", "ansible_ssh_host_key_checking=false"), "ansible_ssh_host_key_checking would let any host pass"),
    ],
)
def test_no_host_is_looked_at_whose_key_is_not_checked(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], named: str
) -> None:
    done = start(tmp_path, *arguments, **environment)
    assert named in " ".join(done.stdout.split()), done.stdout + done.stderr
    assert not (tmp_path / "called").exists()


def test_a_host_s_own_variable_does_not_switch_its_key_off(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {web1: {ansible_host: 192.0.2.9, ansible_host_key_checking: false}}}\n")
    done = start(tmp_path, inventory=str(hosts))
    assert "UNREACHABLE" in done.stdout, done.stdout + done.stderr
    assert "StrictHostKeyChecking" not in (tmp_path / "called").read_text()
