"""A real dockerd behind our table: a declared published port is reached, an undeclared one is not, in both orders."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.render.role_template import render

from .reports import details, verify
from .starts import SITE, edit, edit_host
from .traffic import as_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.hosts import Lab, LabHost

    from .conftest import Target

pytestmark = pytest.mark.slow

DECLARED, UNDECLARED = 8080, 8082
TABLE, LOADER = "/etc/holdfast/firewall.nft", "/etc/holdfast/load-firewall"
# A container has /proc/sys read-only, and Docker's bridge needs its IPv6 settings; a VPS is not so.
DOCKER = """
set -e
export DEBIAN_FRONTEND=noninteractive
mount -o remount,rw /proc/sys
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
mkdir -p /etc/docker /opt/image/bin
echo '{"storage-driver":"vfs","bip":"172.17.0.1/16","ipv6":true,
  "fixed-cidr-v6":"fd99::/64","experimental":true,"ip6tables":true}' \
  > /etc/docker/daemon.json
apt-get update -qq
client=$(apt-cache show docker-cli > /dev/null 2>&1 && echo docker-cli || true) # part of docker.io before Debian 13
apt-get install -y -qq --no-install-recommends docker.io $client iptables busybox-static nftables > /dev/null
systemctl start docker
cp /bin/busybox /opt/image/bin/
tar -C /opt/image -c . | docker import - web > /dev/null
web() {
  docker run -d --restart always --ulimit nofile=4096:4096 "$@" web /bin/busybox httpd -f -p 80 -h / > /dev/null
}
web --name declared -p 8080:80
web --name undeclared -p 8082:80
docker network create far > /dev/null
web --name far --network far
"""
# Shop may go anywhere for the port that containers answer on inside, and to that and one published port of its own
# host; near to the bridge alone, idle to the host's own ports alone.
BRIDGE, BRIDGE6 = "172.17.0.0/16", "fd99::/64"
EGRESS = [
    {
        "service": "shop",
        "names": [],
        "rules": [
            {"kind": "loopback", "to": "", "port": DECLARED, "proto": "tcp", "mark": 1, "reason": "shop to web"},
            {"kind": "loopback", "to": "", "port": 80, "proto": "tcp", "mark": 4, "reason": "shop to inside"},
            {"kind": "network", "to": "0.0.0.0/0", "port": 80, "proto": "tcp", "mark": 2, "reason": "shop to any"},
            {"kind": "network", "to": "::/0", "port": 80, "proto": "tcp", "mark": 3, "reason": "shop to any"},
        ],
    },
    {
        "service": "near",
        "names": [],
        "rules": [
            {"kind": "network", "to": to, "port": 80, "proto": "tcp", "mark": mark, "reason": f"near to {to}"}
            for mark, to in ((5, BRIDGE), (6, BRIDGE6))
        ],
    },
    {
        "service": "idle",
        "names": [],
        "rules": [
            {"kind": "loopback", "to": "", "port": DECLARED, "proto": "tcp", "mark": 7, "reason": "idle to web"},
            {"kind": "loopback", "to": "", "port": 80, "proto": "tcp", "mark": 8, "reason": "idle to inside"},
        ],
    },
]
PROBE = """
import json, socket, sys
answers = {}
for address in sys.argv[2:]:
    for port in json.loads(sys.argv[1]):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(3)
            try:
                probe.connect((address, port))
                probe.sendall(b"GET /bin/busybox HTTP/1.0\\r\\n\\r\\n")
                answers[f"{address} {port}"] = bool(probe.recv(4))
            except OSError:
                answers[f"{address} {port}"] = False
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def host(lab: Lab, release: str) -> Iterator[LabHost]:
    """Give a host with dockerd and our table, loaded by our unit after Docker wrote its own."""
    made = lab.start("docker1", release)
    made.exec(["bash", "-c", DOCKER], timeout=300)
    rules = [{"port": DECLARED, "proto": "tcp", "reason": "service web"}]
    table = render(
        "firewall", "firewall.nft.j2", firewall_rules=rules, firewall_forwards="docker", firewall__ssh_ports=[22],
        firewall_egress=EGRESS,
    )  # fmt: skip
    unit = render("firewall", "holdfast-firewall.service.j2")
    loader = render("firewall", "load-firewall.sh.j2", firewall_egress=EGRESS)
    for service in EGRESS:
        made.exec(["useradd", "--system", "--user-group", str(service["service"])])
    for path, text in ((TABLE, table), (LOADER, loader), ("/etc/systemd/system/holdfast-firewall.service", unit)):
        made.exec(["install", "-D", "-m", "0700", "/dev/stdin", path], stdin=text.encode())
    made.exec(["nft", "add", "table", "inet", "foreign"])
    made.exec(["systemctl", "enable", "--now", "holdfast-firewall.service"])
    yield made
    made.stop()


def asked_by(host: LabHost, account: str, addresses: list[str]) -> dict[int, set[bool]]:
    """Ask for both published ports on the host itself as an account; the answers by port."""
    command = [*as_account(account), "python3", "-", json.dumps([DECLARED, UNDECLARED, 80]), *addresses]
    return by_port(host.exec(command, stdin=PROBE.encode()).stdout)


def by_port(answers: str) -> dict[int, set[bool]]:
    """Sort what the probe printed."""
    found: dict[int, set[bool]] = {}
    for place, answer in json.loads(answers).items():
        found.setdefault(int(place.split()[1]), set()).add(answer)
    return found


def reached(lab: Lab, host: LabHost) -> dict[int, set[bool]]:
    """Ask for both published ports from outside, on IPv4 and IPv6; the answers by port."""
    addresses = [address for address in (host.address, host.address6) if address]
    done = subprocess.run(
        [*lab.outsider(), "python3", "-", json.dumps([DECLARED, UNDECLARED]), *addresses],
        input=PROBE, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return by_port(done.stdout)


def own_addresses(host: LabHost, target: str) -> list[str]:
    """Return a container's own addresses behind its bridge, the IPv4 one first."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}"
    return host.exec(["docker", "inspect", "-f", template, target]).stdout.split()


def inside(host: LabHost, target: str) -> bool:
    """Tell whether the container ``declared`` reaches the container ``target`` by its address."""
    address = own_addresses(host, target)[0]
    # nc, since Debian 12's static busybox crashes in wget
    ask = f"printf 'GET /bin/busybox HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc -w 3 {address} 80 | /bin/busybox head -c 4"
    done = host.exec(["docker", "exec", "declared", "/bin/busybox", "sh", "-c", ask], check=False)
    return done.stdout == "HTTP"


def assert_only_the_declared_is_reached(lab: Lab, host: LabHost) -> None:
    """Ask from outside until Docker and the containers are ready."""
    deadline = time.monotonic() + 30
    while (answers := reached(lab, host)) != {DECLARED: {True}, UNDECLARED: {False}} and time.monotonic() < deadline:
        time.sleep(1)
    assert answers == {DECLARED: {True}, UNDECLARED: {False}}


@pytest.mark.parametrize("order", ["the firewall after Docker", "Docker after the firewall", "the firewall again"])
def test_only_the_declared_port_is_published(lab: Lab, host: LabHost, order: str) -> None:
    if order == "Docker after the firewall":
        host.exec(["systemctl", "restart", "docker"], timeout=120)
    else:
        host.exec(["systemctl", "reload", "holdfast-firewall"])
    assert_only_the_declared_is_reached(lab, host)
    assert inside(host, "undeclared"), "containers on one bridge no longer reach each other"
    assert not inside(host, "far"), "our accept has overridden Docker's isolation of its networks"


def test_a_service_reaches_published_ports_that_it_declares(host: LabHost) -> None:
    """A published port is the host's own, whatever address is used: anywhere else is not it."""
    own = ["127.0.0.1", host.address, *([host.address6] if host.address6 else [])]
    assert asked_by(host, "", own) == {DECLARED: {True}, UNDECLARED: {True}, 80: {False}}
    assert asked_by(host, "shop", own) == {DECLARED: {True}, UNDECLARED: {False}, 80: {False}}


def test_a_service_reaches_a_container_behind_its_bridge_where_it_declares_that(host: LabHost) -> None:
    """A container's own address is another machine's: an entry for the host's port is none for it, nor the reverse."""
    here = own_addresses(host, "undeclared")
    assert len(here) == 2
    open_inside = {DECLARED: {False}, UNDECLARED: {False}, 80: {True}}
    assert asked_by(host, "", here) == open_inside
    assert asked_by(host, "idle", here)[80] == {False}, "a port of the host has opened one of a container"
    assert asked_by(host, "near", here) == open_inside
    assert asked_by(host, "shop", here) == open_inside, "anywhere is behind the bridge too"
    there = own_addresses(host, "far")[:1]
    assert asked_by(host, "", there) == open_inside
    assert asked_by(host, "near", there)[80] == {False}, "another bridge than the declared one"
    published = [host.address, *([host.address6] if host.address6 else [])]
    assert asked_by(host, "idle", published) == {DECLARED: {True}, UNDECLARED: {False}, 80: {False}}
    assert asked_by(host, "near", published)[DECLARED] == {False}, (
        "a container's own address has opened its published port"
    )


def test_other_tables_are_untouched(host: LabHost) -> None:
    def others() -> str:
        listed = host.exec(["nft", "-s", "list", "ruleset"]).stdout
        return listed.partition("table inet holdfast")[0]

    before = others()
    assert "table inet foreign" in before
    host.exec(["systemctl", "reload", "holdfast-firewall"])
    host.exec(["systemctl", "stop", "holdfast-firewall"])
    assert "table inet holdfast" in host.exec(["nft", "list", "tables"]).stdout, "stopping the unit opened the host"
    host.exec(["systemctl", "start", "holdfast-firewall"])
    assert others() == before


@pytest.mark.full
def test_a_host_with_docker_is_taken_over(bare: Target, lab: Lab, tmp_path: Path) -> None:
    """The first run asks before it closes what Docker publishes, then hardens the host around it."""
    host = bare.container
    host.exec(["bash", "-c", DOCKER], timeout=300)
    listener = {"name": "web", "on": ["web"], "listen": [{"port": DECLARED}]}
    edit(bare, "group_vars/all/services.yml", lambda data: data["services"].append(listener))
    assert "Docker" in bare.play(SITE, expect=2).text
    edit_host(bare, forwards="docker")
    assert f"- port {UNDECLARED}/tcp" in bare.play(SITE, expect=2).text
    edit_host(bare, accept=[f"port {UNDECLARED}/tcp"])
    bare.play(SITE)
    assert_only_the_declared_is_reached(lab, host)
    assert inside(host, "undeclared"), "containers on one bridge no longer reach each other"
    host.exec(["systemctl", "restart", "docker"], timeout=120)
    assert_only_the_declared_is_reached(lab, host)
    again = bare.play(SITE)
    assert again.changed == 0, again.text
    # Docker's own program goes on waiting at the port that the firewall has closed.
    _run, data = verify(bare, tmp_path / "report", expect=2)
    failed = details(data, bare.host.name, "failed")
    assert list(failed) == ["listeners"], failed
    assert f"{UNDECLARED}/tcp" in str(failed)
