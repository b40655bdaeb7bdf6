"""What the accounts of services may open connections to, with a piece of the world in a namespace of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from . import reports
from .attacks import OURS, TWO_PORTS, sshd
from .conftest import HOST, Hardened, Target
from .starts import SITE, edit, own
from .test_first_run import ATTACK, write_vars
from .traffic import PORT, as_account, ask, attach, eventually, install, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.hosts import Lab

pytestmark = pytest.mark.slow

OTHER, ANYWHERE, LOCAL, SHOP = 8081, 8082, 9200, 8003
NEAR = ["192.0.2.1", "2001:db8:1::1"]
DB, STRANGER = ["192.0.2.2", "2001:db8:1::2"], ["192.0.2.3", "2001:db8:1::3"]
OLD, NEW, UPSTREAM = "192.0.2.4", "192.0.2.5", "192.0.2.53"
METADATA = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "169.254.170.2"]
HERE = ["127.0.0.1", "::1"]
NAME, UNDECLARED_NAME = "api.example.net", "secret.evil.example.net"
SECONDS = 6
RELOAD = "systemctl reload holdfast-firewall"
RESOLVER = "/etc/holdfast/resolver.conf"

SERVICES: list[dict[str, Any]] = [
    {
        "name": "blog",
        "on": ["web"],
        "egress": [
            {"to": "db", "port": PORT},
            {"to": "shop", "port": LOCAL},
            {"to": NAME, "port": PORT},
            {"to": "192.0.2.3", "port": OTHER},
        ],
    },
    {
        "name": "shop",
        "on": ["web"],
        "listen": [{"port": SHOP}],
        "egress": [{"to": "any", "port": ANYWHERE}, {"to": "2001:db8::/32", "port": PORT}],
    },
    {"name": "idle", "on": ["web"]},
]
DATABASE_HOST = {
    "address": DB[0],
    "console": "none",
    "networks": [{"name": "public", "interface": "eth0", "address": DB[1]}],
}
UPSTREAM_SERVER = (
    "ip netns exec world dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --bind-interfaces --no-resolv"
    f" --listen-address={UPSTREAM} --no-hosts --addn-hosts=/run/record --address=/{UNDECLARED_NAME}/{STRANGER[0]}"
    " --log-queries"
)
WORLD = [
    *(f"ip -n world address add {a}/{128 if ':' in a else 32} dev lo" for a in (*METADATA, OLD, NEW, UPSTREAM)),
    *(f"ip route add {a} via {DB[1] if ':' in a else DB[0]}" for a in (*METADATA, OLD, NEW, UPSTREAM)),
    # Every query is seen; the record lies in a file that is read anew at a signal.
    f"echo {OLD} {NAME} > /run/record",
    f"systemd-run --quiet --unit=upstream {UPSTREAM_SERVER}",
]
# One query for an IPv4 address, asked of that resolver; tells the code of the answer, 0 for found.
QUERY = """
import socket, sys
name, resolver = sys.argv[1:]
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    door.settimeout(2)
    try:
        door.sendto(bytes.fromhex("000701000001000000000000") + labels + bytes.fromhex("0000010001"), (resolver, 53))
        print(door.recv(512)[3] & 15)
    except OSError:
        print("silence")
"""
# Each end of a connection that lives on, a word every tenth of a second.
ECHO = """
import socket, socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while word := self.request.recv(64):
            self.request.sendall(word)
class Server(socketserver.ThreadingTCPServer):
    address_family, allow_reuse_address, daemon_threads = socket.AF_INET6, True, True
Server(("::", int(sys.argv[1])), Echo).serve_forever()
"""
TALK = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as door:
    while True:
        door.sendall(b"still there?")
        if not door.recv(64):
            sys.exit("it was closed")
        time.sleep(0.1)
"""
NXDOMAIN = "3"


@dataclass
class Net:
    """A host with three services, and the world in a namespace behind a card of it."""

    target: Target

    def ask(self, account: str, addresses: list[str], port: int = PORT) -> list[bool]:
        """Tell of each address, or name, whether the account gets an answer from it."""
        return [answer is not None for answer in ask(self.target.host, addresses, port, account=account)]

    def query(self, account: str, name: str, resolver: str = UPSTREAM) -> str:
        """Ask a resolver as the account."""
        command = [*as_account(account), "python3", "-", name, resolver]
        return self.target.host.exec(command, stdin=QUERY.encode()).stdout.strip()

    def asked(self, name: str) -> bool:
        """Tell whether the world's resolver was ever asked for a name."""
        return f" {name} " in self.target.sh("journalctl -u upstream -o cat --no-pager")

    def answer_with(self, address: str) -> None:
        """Change the record of the name."""
        self.target.sh(f"echo {address} {NAME} > /run/record; systemctl kill --signal=HUP upstream")

    def talk(self, unit: str, account: str, to: str, port: int) -> None:
        """Open a connection that lives on."""
        command = ["/usr/bin/python3", "-c", TALK, to, str(port)]
        self.target.host.exec(["systemd-run", "--quiet", f"--unit={unit}", f"--uid={account}", *command])

    def talks(self, *units: str) -> list[bool]:
        """Tell of each connection whether it lives."""
        return [state == "active" for state in self.target.sh(f"systemctl is-active {' '.join(units)} || true").split()]

    def declare(self, services: list[dict[str, Any]]) -> None:
        """Declare the services and run the playbook."""
        edit(self.target, "group_vars/all/services.yml", lambda data: data.update(services=services))
        self.target.play(SITE, "--limit", HOST)


@pytest.fixture(scope="module")
def net(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Start the host. The db of its inventory is never contacted: it lies in the world."""
    host = lab.start(HOST, release, image=hardened.image)
    target = own(Target(host, hardened.inventory), tmp_path_factory.mktemp("egress"))
    for service in SERVICES:
        target.sh(f"id {service['name']} 2>/dev/null || useradd --system --user-group {service['name']}")
    install(host, "dnsmasq-base")
    sized = [[f"{a}/{64 if ':' in a else 24}" for a in addresses] for addresses in (NEAR, [*DB, *STRANGER])]
    attach(host, "wan0", "world", *sized)
    target.sh("\n".join(["set -e", *WORLD]))
    for port in (PORT, OTHER, ANYWHERE, LOCAL):
        serve(host, port, namespace="world")
    edit(target, "hosts.yml", lambda data: data["all"]["hosts"].update(db={}))
    (target.inventory.path / "host_vars/db.yml").write_text(yaml.safe_dump({"host": DATABASE_HOST}))
    policy = {"dns": {"resolvers": [UPSTREAM], "seconds": SECONDS}}
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"].update(policy))
    found = Net(target)
    assert found.ask("idle", [*DB, *STRANGER]) == [True] * 4, "nothing is declared yet, so nobody is held"
    found.declare(SERVICES)
    for port in (LOCAL, SHOP):
        serve(host, port, account="shop")
    yield found
    host.stop()


def test_verification(net: Net, tmp_path: Path) -> None:
    """The promise knows these rules, and tries the accounts."""
    _, data = reports.verify(net.target, tmp_path, "--limit", HOST, expect=None)
    outcomes = {(promise, outcome) for promise, outcome, _ in reports.checks(data, HOST) if promise == "egress"}
    failed = reports.details(data, HOST, "failed")
    assert outcomes == {("egress", "passed")}, failed
    assert "dnsmasq" not in str(failed.get("listeners")), "the resolver listens for the host alone"


@pytest.mark.both
def test_hosts_and_networks(net: Net) -> None:
    """A service reaches the declared host and network at the declared port; others, and what answers, go on."""
    assert net.ask("blog", [*DB, *STRANGER]) == [True, True, False, False]
    assert net.ask("blog", [*DB, *STRANGER], OTHER) == [False, False, True, False]
    assert net.ask("shop", [*DB, *STRANGER]) == [False, True, False, True]
    assert net.ask("idle", [*DB, *STRANGER]) == [False] * 4
    for account in ("", "www-data"):
        assert net.ask(account, [*DB, *STRANGER]) == [True] * 4, f"{account or 'root'} is held back"
    assert None not in ask(net.target.host, NEAR, SHOP, namespace="world"), "a service answers who may come in"
    assert "holdfast-egress" in net.target.sh("nft list chain inet holdfast refuse_egress")


def test_loopback(net: Net) -> None:
    """On the host itself a service reaches its own listeners, and the ports of others that it declares."""
    assert net.ask("blog", [*HERE, *NEAR], LOCAL) == [True] * 4
    assert net.ask("idle", [*HERE, *NEAR], LOCAL) == [False] * 4
    assert net.ask("shop", HERE, LOCAL) == [False, False], "its own port, that it does not declare"
    assert net.ask("shop", [*HERE, *NEAR], SHOP) == [True] * 4
    assert net.ask("blog", HERE, SHOP) == [False, False]
    assert net.ask("", HERE, LOCAL) == [True, True]
    serve(net.target.host, ANYWHERE)
    assert net.ask("", [*HERE, *NEAR], ANYWHERE) == [True] * 4
    assert net.ask("shop", [*HERE, *NEAR], ANYWHERE) == [False] * 4, "anywhere is not the host itself"


@pytest.mark.both
def test_nobody_answers_from_the_port_of_another(net: Net) -> None:
    """Whoever calls a port of another service, that may be bound while that one is down, gets no answer."""
    host, places = net.target.host, [*HERE, *NEAR]
    for port in (LOCAL, SHOP):
        host.exec(["systemctl", "stop", f"answer-host-{port}"])
        serve(host, port, account="blog")
        for account in ("", "www-data"):
            assert net.ask(account, places, port) == [False] * 4, f"blog is taken for shop by {account or 'root'}"
    assert ask(host, NEAR, SHOP, namespace="world") == [None, None], "blog is taken for shop from outside"
    assert net.ask("shop", HERE, SHOP) == [False, False]
    for port in (LOCAL, SHOP):
        host.exec(["systemctl", "stop", f"answer-host-{port}"])
        serve(host, port, account="shop")
        assert net.ask("", places, port) == [True] * 4, "the owner answers"
    assert None not in ask(host, NEAR, SHOP, namespace="world")


def test_cloud_metadata(net: Net) -> None:
    """Addresses that hand out credentials are closed to services, also to one that may go anywhere."""
    assert net.ask("", METADATA, ANYWHERE) == [True] * 5
    assert net.ask("shop", DB, ANYWHERE) == [True, True]
    assert net.ask("shop", METADATA, ANYWHERE) == [False] * 5


def test_resolvers(net: Net) -> None:
    """Of a service that reaches names our resolver answers, whomever it asks, and for these alone."""
    assert net.query("", UNDECLARED_NAME) == "0"
    assert net.query("blog", NAME) == "0"
    for name in ("x.evil.example.net", "x." + NAME, "org"):
        for resolver in (UPSTREAM, "192.0.2.3", "127.0.0.53"):
            assert net.query("blog", name, resolver) == NXDOMAIN
        assert not net.asked(name), "the name left the host"
    for account in ("shop", "idle"):
        assert net.query(account, NAME) == "silence"
        assert net.query(account, NAME, "127.0.0.1") == "silence"


def test_names(net: Net) -> None:
    """A record changes, and the next connection goes to the new address; the old one is closed after its time."""
    net.answer_with(OLD)
    assert net.ask("blog", [NEW]) == [False]
    assert net.ask("blog", [NAME, OLD, NEW]) == [True, True, False]
    assert net.ask("shop", [OLD]) == [False], "another service has not declared the name"
    assert net.ask("blog", [OLD], OTHER) == [False], "another port"
    net.answer_with(NEW)
    assert net.ask("blog", [NAME, NEW]) == [True, True]
    assert eventually(lambda: net.ask("blog", [OLD]) == [False], seconds=SECONDS + 2)
    assert eventually(lambda: net.ask("blog", [NEW]) == [False], seconds=SECONDS + 2), "it was not looked up again"
    assert net.ask("blog", [NAME]) == [True]


def test_a_revert_brings_the_names_back(net: Net, tmp_path: Path) -> None:
    """A commit that nobody confirms has the resolver forget a name: put back, the service reaches it again."""
    host = net.target
    net.answer_with(NEW)
    forgetful = {"path": RESOLVER, "content": host.sh(f"grep -v 'server=/{NAME}/' {RESOLVER}"), "mode": "0644"}
    # A port that the firewall keeps closed: asked until the time is up. A refused login would end it in a blink.
    closed = sshd(TWO_PORTS, path=OURS)
    stage = {**closed, "files": [*closed["files"], forgetful], "reload": ["holdfast-resolver", "ssh"]}
    orders = write_vars(tmp_path, attack_stage=stage, attack_login={"port": 2299}, attack_seconds=12 * host.patience)
    run = host.start(ATTACK, "--limit", HOST, *orders)
    forgot = eventually(lambda: net.query("blog", NAME) == NXDOMAIN, seconds=60)
    said, _ = run.communicate(timeout=120)
    assert forgot, f"the commit never came to the resolver:\n{said[-3000:]}"
    assert run.returncode == 2
    assert eventually(lambda: "armed.json" not in host.sh("ls /var/lib/holdfast/guard"), seconds=30)
    assert net.query("blog", NAME) == "0"
    assert net.ask("blog", [NAME]) == [True]


def test_a_removed_entry_ends_its_connections(net: Net) -> None:
    """They die within the run, and no others: not by it, not by a reload, not when a name has moved on."""
    host = net.target.host
    for port in (PORT, OTHER):
        host.exec(["systemctl", "stop", f"answer-world-{port}"])
        serve(host, port, namespace="world", program=ECHO)
    net.answer_with(NEW)
    units = ["talk-kept", "talk-name", "talk-removed"]
    for unit, to, port in zip(units, (DB[0], NAME, STRANGER[0]), (PORT, PORT, OTHER), strict=True):
        net.talk(unit, "blog", to, port)
    net.answer_with(OLD)
    assert not eventually(lambda: net.talks(*units) != [True] * 3, seconds=SECONDS + 1)
    net.target.sh(RELOAD)
    assert not eventually(lambda: net.talks(*units) != [True] * 3, seconds=1)
    less = [{**SERVICES[0], "egress": SERVICES[0]["egress"][:-1]}, *SERVICES[1:]]
    net.declare(less)
    assert net.talks(*units) == [True, True, False]

    without_names = [{**SERVICES[0], "egress": SERVICES[0]["egress"][:1]}, *SERVICES[1:]]
    net.declare(without_names)
    assert net.talks(*units) == [True, False, False]
    left = "systemctl is-active holdfast-resolver; systemctl list-unit-files --no-legend 'holdfast-resolver*'"
    assert net.target.sh(left, check=False).split() == ["inactive"]
    assert net.target.play(SITE, "--limit", HOST).changed == 0


def test_an_account_that_comes_and_goes(net: Net) -> None:
    """Made anew, with another number, it is held again by the next run; gone, it costs nobody the firewall."""
    net.target.sh("userdel idle; useradd --system --user-group --uid 950 idle")
    assert net.ask("idle", DB, ANYWHERE) == [True, True], "this account needs no new rule"
    assert net.target.play(SITE, "--limit", HOST).changed
    assert net.ask("idle", DB, ANYWHERE) == [False, False]
    net.target.sh("userdel idle; systemctl restart holdfast-firewall")
    assert net.ask("shop", [*DB, *METADATA], ANYWHERE) == [True] * 2 + [False] * 5
    net.target.play(SITE, "--limit", HOST)
    assert net.ask("idle", DB, ANYWHERE) == [False, False], "the run makes it anew"


def test_one_that_is_declared_no_more_reaches_nothing(net: Net) -> None:
    """From the commit on that does without it, until its account is gone; whoever gets its number then is free."""
    make = "useradd --system --user-group --uid 951"
    net.target.sh(f"{make} --comment holdfast-service ghost; systemctl restart holdfast-firewall")
    assert net.ask("ghost", [*DB, OLD, *METADATA], ANYWHERE) == [False] * (len(DB) + 1 + len(METADATA))
    assert net.ask("shop", DB, ANYWHERE) == [True] * 2
    assert net.target.play(SITE, "--limit", HOST).changed == 0, "who it is changes by itself, and is no drift"
    net.target.sh(
        'echo \'{"parts": [], "schedules": [], "ports": []}\' > /var/lib/holdfast/services/ghost.json;'
        f" /usr/bin/python3 -IS /usr/local/lib/holdfast/services settle 3; {make} another"
    )
    assert net.ask("another", DB, ANYWHERE) == [True] * 2
