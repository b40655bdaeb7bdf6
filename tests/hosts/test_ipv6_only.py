"""Hosts with one address family: the whole way over IPv6 alone, and over IPv4 alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab import inventory, plan

from .conftest import HOST, ROOT, Target
from .reports import details, verify
from .starts import SITE, Witness
from .test_faults import through, with_jump_right

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.hosts import Lab
    from lab.machine import Machine

SERVICES: list[dict[str, Any]] = [
    {
        "name": "blog",
        "on": ["web"],
        "listen": [{"port": 8443}, {"port": 8001, "from": ["web"]}, {"port": 8002, "proto": "udp"}],
    }
]
EVERYBODY = {4: "0.0.0.0", 6: "[::]"}
# What a container refuses, what this inventory declares nothing for, and what is never tried on a host in use.
NOT_HERE = {"clock", "kernel", "mounts", "packages", "resolvers", "brute_force", "host_identity"}
NOT_HERE |= {"backup", "backup_sandbox", "services", "service_isolation", "service_sandbox"}


@pytest.fixture(scope="session")
def provisioned(lab: Lab, release: str) -> str:
    """A bare host with the packages that a run would install: a mirror may be out of reach over one family."""
    wiring = yaml.safe_load((ROOT / "playbooks/group_vars/all/derived.yml").read_text(encoding="utf-8"))
    packages = [*wiring["holdfast_packages"], wiring["holdfast_time_services"][0]]
    host = lab.start(HOST, release)
    try:
        words = ["apt-get", "-qy", "--no-install-recommends", "install", *packages]
        host.exec(["apt-get", "-q", "update"], timeout=120)
        host.exec(["env", "DEBIAN_FRONTEND=noninteractive", *words], timeout=300)
        return host.commit(f"provisioned-{lab.name}")
    finally:
        host.stop()


@pytest.fixture
def family(request: pytest.FixtureRequest) -> int:
    """The one family that the host has."""
    return int(request.param)


@pytest.fixture
def alone(lab: Lab, release: str, provisioned: str, family: int, tmp_path: Path) -> Iterator[Target]:
    """A host that was never converged and has one address family, with a service on it."""
    planted = [lab.key.with_suffix(".pub").read_text(encoding="utf-8").strip()]
    host = lab.start(HOST, release, image=provisioned, families=(family,), authorized_keys=planted)
    plan.inhabit(host, plan.listeners(host, SERVICES, {"web": [HOST]}))
    ranges: dict[int, str] = {network.version: str(network) for network in lab.network() if network}
    settings = {HOST: {"ssh": {"sources": [ranges[family]]}}}
    yield Target(host, inventory.write(tmp_path / "inventory", [host], services=SERVICES, host=settings))
    host.stop()


def public_addresses(host: Machine) -> set[int]:
    """Families of the addresses that the host has for others."""
    words = host.exec(["ip", "-o", "address", "show", "dev", "eth0", "scope", "global"]).stdout.split()
    return {4 if word == "inet" else 6 for word in words if word in {"inet", "inet6"}}


@pytest.mark.parametrize("family", [6, pytest.param(4, marks=pytest.mark.full)], indirect=True)
def test_the_whole_way(alone: Target, family: int, tmp_path: Path) -> None:
    """First run, a run that changes nothing, and a verification from outside and inside that changes nothing either."""
    assert public_addresses(alone.host) == {family}, "the lab gave the host the other family too"
    alone.play(SITE)
    assert alone.ssh("oper") == 0
    again = alone.play(SITE)
    assert again.changed == 0, again.text
    assert f"{EVERYBODY[family]}:22" in alone.sh("ss -ltnH | awk '{print $4}'")
    witness = Witness(alone)
    _, data = verify(alone, tmp_path / "report")
    witness.assert_untouched()
    assert data["summary"]["failed"] == 0
    kept, left = details(data, HOST, "passed"), details(data, HOST, "not applicable")
    for promise in ("tcp_ports", "udp_ports"):
        assert left.pop(promise) == [f"the host has no public IPv{10 - family} address"] * 2
        assert len(kept[promise]) == 2
    assert set(left) <= NOT_HERE, "something else did not apply to this host"
    assert public_addresses(alone.host) == {family}


@pytest.mark.full
def test_behind_a_jump_host_over_ipv6(lab: Lab, release: str, provisioned: str, tmp_path: Path) -> None:
    """A bastion and a host behind it, neither with IPv4: one run hardens both, and both are as declared."""
    names = ("web1", "zz-bastion")
    planted = [lab.key.with_suffix(".pub").read_text(encoding="utf-8").strip()]
    hosts = {
        name: lab.start(name, release, image=provisioned, families=(6,), authorized_keys=planted) for name in names
    }
    try:
        jump = {"ssh": {"jump": "zz-bastion", "port": 2222}}
        written = inventory.write(tmp_path / "inventory", list(hosts.values()), host={"web1": jump})
        with_jump_right(written)
        target = Target(hosts["web1"], written)
        target.play(SITE)
        done = through(target, "web1", "sudo -n true && echo $SSH_CONNECTION")
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == hosts["zz-bastion"].address6
        again = target.play(SITE)
        assert again.changed == 0, again.text
        _, data = verify(target, tmp_path / "report")
        assert data["summary"]["failed"] == 0
    finally:
        for host in hosts.values():
            host.stop()
