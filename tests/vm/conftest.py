"""One virtual machine for each release: hardened once, and put back to that moment before every test."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lab import inventory, vm
from lab.hosts import Lab
from tests.hosts.conftest import HOST, POLICY, Run, Target
from tests.hosts.starts import SITE, edit
from tests.hosts.test_services import shop

from .outside import address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# An emulated processor is ten times slower than a real one.
PATIENCE = 10
# A service that is declared, so that its port is open, and the port of one that is not.
DECLARED, UNDECLARED = 8003, 9999
DOOR = {"name": "door", "on": ["web"], "listen": [{"port": DECLARED}]}
# What one of the two services with a program may open connections to: a name that the outsider knows.
NAME, NAMED_PORT = "api.example.net", 8443
EGRESS = [{"to": NAME, "port": NAMED_PORT}]
# Minutes after a boot at which a clock that follows nobody is worth a warning.
HEALTH = {"clock_minutes": {"warn": 1, "fail": 120}}
# What a host brings along that is to pass packets on from its next boot on; the playbook is told that it does not.
TO_BE_A_ROUTER = (
    "printf 'net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n' > /etc/sysctl.d/60-holdfast-forwarding.conf"
)
BEHIND = 400 * 86_400  # seconds
# A job that a copy of the machine finds half done has run out of its time there.
UNTIL_IDLE = "timeout 120 sh -c 'while systemctl list-jobs --no-legend | grep -q .; do sleep 1; done'"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """None of these is for each commit."""
    for item in items:
        if "/tests/vm/" in str(item.path):
            item.add_marker(pytest.mark.full)


@dataclass
class Hardened:
    """A bare machine after its first run, how that went, and how one before it went at which the clock was wrong."""

    target: Target
    first_run: Run
    wrong_clock: Run


def hang_up(folder: Path) -> None:
    """End the connections that Ansible keeps open: the machine that they lead to is about to be another one."""
    for path in folder.iterdir():
        subprocess.run(
            ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", HOST], capture_output=True, check=False
        )


def with_a_wrong_clock(target: Target) -> Run:
    """Run while the host believes that it is last year, as after a dead battery and without a time server."""
    target.sh(f"systemctl stop systemd-timesyncd.service; date -s @{time.time() - BEHIND:.0f}", check=False)
    try:
        return target.play(SITE, expect=None)
    finally:
        target.sh(f"date -s @{time.time():.0f}")


@pytest.fixture(scope="session")
def connections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Ansible's open connections."""
    return tmp_path_factory.mktemp("ssh")


@pytest.fixture(scope="session")
def hardened(release: str, connections: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardened]:
    """Harden a bare machine with the real playbook, and keep it as it then runs."""
    with Lab(f"vm-{release}-{os.getpid()}") as lab:
        host = vm.start(lab, HOST, release)
        try:
            folder = tmp_path_factory.mktemp(release)
            services = [*inventory.default_services(), DOOR, shop(folder / "shop", secrets=[], egress=EGRESS)]
            written = inventory.write(folder / "inventory", [host], services=services)
            target = Target(host, written, {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(connections)}, PATIENCE)
            policy = {**POLICY, "dns": {"resolvers": [address(target)]}, "health": HEALTH}
            edit(target, "group_vars/all/policy.yml", lambda data: data.update(policy=policy))
            target.sh(TO_BE_A_ROUTER)
            wrong_clock = with_a_wrong_clock(target)
            run = target.play(SITE)
            hang_up(connections)
            target.sh(UNTIL_IDLE)
            host.save("hardened")
            yield Hardened(target, run, wrong_clock)
        finally:
            host.stop()


@pytest.fixture
def target(hardened: Hardened, connections: Path) -> Target:
    """The machine as it was when it had just been hardened."""
    assert isinstance(hardened.target.host, vm.VirtualHost)
    hang_up(connections)
    hardened.target.host.load("hardened")
    return hardened.target
