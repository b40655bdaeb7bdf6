"""Real hosts for the tests: a bare one is hardened once for each release, then every test gets a fresh copy of it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from lab import inventory
from lab.hosts import Lab, LabHost

from .searching import search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.machine import Machine

ROOT = Path(__file__).parents[2]
HOST = "web1"
# The hardened host backs up what only root may read, so that there is a backup to be judged; the sources that it trusts
# are sets of the firewall that a revert has to bring back.
POLICY = {
    **inventory.DEFAULT_POLICY,
    "ssh": {"trusted_sources": ["192.0.2.0/24", "2001:db8:2::/48"]},
    "backup": {"repository": {"url": "/var/backups/holdfast"}, "paths": [{"path": "/etc/ssh", "on": ["web"]}]},
}


@dataclass
class Run:
    """An ansible-playbook that has ended."""

    code: int
    text: str
    seconds: float

    @property
    def changed(self) -> int:
        """Tasks that changed something, over all hosts."""
        recap = self.text.rpartition("PLAY RECAP")[2]
        return sum(int(word.partition("=")[2]) for word in recap.split() if word.startswith("changed="))

    @property
    def reason(self) -> str:
        """The message of the first task that failed, on one line: all that a user is told of why."""
        said = self.text.partition("fatal: ")[2].partition("\n")[2].split("\n")
        result = yaml.safe_load("\n".join(itertools.takewhile(lambda line: line[:1] in {"", " "}, said)))
        return " ".join(str(result["msg"]).split()) if isinstance(result, dict) else ""


@dataclass
class Target:
    """A host and the inventory that leads to it. ``patience``: how many times slower than a container it may be."""

    host: Machine
    inventory: inventory.Inventory
    environment: dict[str, str] = field(default_factory=dict)
    patience: int = 1

    @property
    def container(self) -> LabHost:
        """The host, for what only a container engine can do."""
        return self.host.lab.hosts[self.host.name]

    def command(self, playbook: str | Path, *arguments: str) -> list[str]:
        """Argument list of ansible-playbook for this host."""
        return [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *self.inventory.arguments,
            str(ROOT / playbook),
            *arguments,
        ]

    def start(self, playbook: str | Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a playbook in a session of its own, so that a test can kill it with all its workers."""
        return subprocess.Popen(
            self.command(playbook, *arguments),
            cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, **self.environment},
        )  # fmt: skip

    def play(self, playbook: str | Path, *arguments: str, expect: int | None = 0, seconds: float = 300) -> Run:
        """Run a playbook to its end; whatever it says, it says no secret."""
        began = time.monotonic()
        process = self.start(playbook, *arguments)
        text, _ = process.communicate(timeout=seconds * self.patience)
        said = search(f"output of {playbook}", text.encode(), self.inventory.secrets)
        assert not said, ", ".join(said)
        run = Run(process.returncode, text, time.monotonic() - began)
        if expect is not None:
            assert run.code == expect, f"{playbook} ended with {run.code}, not {expect}: {run.reason}\n{text[-6000:]}"
        return run

    def sh(self, script: str, *, check: bool = True) -> str:
        """Run a shell script on the host's console as root, past SSH."""
        return self.host.exec(["sh", "-c", script], check=check).stdout

    def ssh_argv(
        self, user: str, command: str, *, port: int = 22, key: str | None = None, seconds: int = 5
    ) -> list[str]:
        """The argument list of a login from outside over a connection of its own."""
        return [
            "ssh", "-F", "none", "-i", str(self.inventory.keys[key or user]),
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={self.inventory.path}/known_hosts/{HOST}", "-o", f"HostKeyAlias={HOST}",
            "-o", "StrictHostKeyChecking=yes", "-o", f"ConnectTimeout={seconds}", "-p", str(port),
            f"{user}@{self.host.address}", command,
        ]  # fmt: skip

    def ssh(
        self, user: str, command: str = "sudo -n true", *, port: int = 22, key: str | None = None, seconds: int = 5
    ) -> int:
        """Log in from outside over a connection of its own; return ssh's exit code."""
        seconds *= self.patience
        argv = self.ssh_argv(user, command, port=port, key=key, seconds=seconds)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds + 30, check=False)
        return done.returncode


@pytest.fixture(scope="session")
def lab(release: str) -> Iterator[Lab]:
    """Hosts of one release, taken down at the end."""
    with Lab(f"tests-{release}-{os.getpid()}") as made:
        yield made


@dataclass
class Hardened:
    """A converged host that has been put aside, and how its first run went."""

    image: str
    first_run: Run
    inventory: inventory.Inventory


@pytest.fixture(scope="session")
def hardened(lab: Lab, release: str, tmp_path_factory: pytest.TempPathFactory) -> Hardened:
    """Harden a bare host with the real playbook, keep its disk."""
    host = lab.start(HOST, release)
    try:
        written = inventory.write(tmp_path_factory.mktemp(release) / "inventory", [host], policy=POLICY)
        run = Target(host, written).play("playbooks/site.yml")
        # A copy is not late for what its timers would have done since: it would do it at once, beside the test.
        host.exec(["sh", "-c", "rm -f /var/lib/systemd/timers/stamp-*"])
        image = host.commit(f"hardened-{release}-{os.getpid()}")
    finally:
        host.stop()
    return Hardened(image, run, written)


@pytest.fixture
def target(lab: Lab, release: str, hardened: Hardened) -> Iterator[Target]:
    """A fresh copy of the hardened host, at the address that the inventory knows."""
    host = lab.start(HOST, release, image=hardened.image)
    yield Target(host, hardened.inventory)
    host.stop()


@pytest.fixture
def bare(lab: Lab, release: str, tmp_path: Path) -> Iterator[Target]:
    """A bare host with an inventory of its own."""
    host = lab.start(HOST, release)
    yield Target(host, inventory.write(tmp_path / "inventory", [host]))
    host.stop()
