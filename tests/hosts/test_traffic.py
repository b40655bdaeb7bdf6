"""What a host behind its firewall still needs from the network, and what of the rest it logs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.render.role_template import render

from .conftest import HOST, Hardened, Target
from .starts import SITE, edit, own
from .traffic import PORT, addresses, advertise, ask, attach, eventually, install, serve, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.hosts import Lab

pytestmark = pytest.mark.slow

LOGGED, BURST = 6, 300
BIG = 500_000
NEAR, FAR, BEYOND = ["192.0.2.1", "2001:db8:1::1"], ["192.0.2.2", "2001:db8:1::2"], ["198.51.100.2", "2001:db8:2::2"]
ROUTER = """
set -e
ip netns exec router sh -c 'for f in 4/ip_forward 6/conf/all/forwarding; do echo 1 > /proc/sys/net/ipv$f; done'
ip -n router link set far0 mtu 1280
ip -n client route add default via 198.51.100.1
ip -n client -6 route add default via 2001:db8:2::1
ip route add 198.51.100.0/24 via 192.0.2.2
ip -6 route add 2001:db8:2::/64 via 2001:db8:1::2
"""
FORGET_NEIGHBOURS = "ip -6 neigh flush all; ip -n router -6 neigh flush all"
FORGET_ROUTES = "ip -4 route flush cache; ip -6 route flush cache"
PREFIX = "2001:db8:9:"

DNSMASQ = (
    "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=dhcp0 --bind-interfaces --enable-ra"
    " --dhcp-leasefile=/run/leases --dhcp-range=198.18.5.10,198.18.5.20,2m"
    " --dhcp-range=2001:db8:3::10,2001:db8:3::20,64,2m"
)
NETWORKD = """\
[Match]
Name=dhcp0
[Network]
DHCP=yes
IPv6AcceptRA=yes
"""
OFFER = """
import socket, subprocess, sys
SEND = '''
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    door.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan0")
    door.bind(("", int(sys.argv[1])))
    door.sendto(b"offer", ("255.255.255.255", 68))
'''
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    door.bind(("", 68))
    door.settimeout(1)
    subprocess.run(["ip", "netns", "exec", "router", "python3", "-c", SEND, sys.argv[1]], check=True)
    try:
        print(door.recv(64).decode())
    except TimeoutError:
        print("silence")
"""
FLOOD = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    for _ in range(int(sys.argv[2])):
        door.sendto(b"x", (sys.argv[1], 9))
"""


@pytest.fixture(scope="module")
def served(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Harden a host with one public service. Behind an undeclared card are a router, a narrow link, and a client."""
    host = lab.start(HOST, release, image=hardened.image)
    target = own(Target(host, hardened.inventory), tmp_path_factory.mktemp("traffic"))
    page = {"name": "page", "on": ["web"], "listen": [{"port": PORT}]}
    edit(target, "group_vars/all/services.yml", lambda data: data["services"].append(page))
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"].update(firewall={"log_per_minute": LOGGED}))
    target.play(SITE)
    attach(host, "wan0", "router", sized(NEAR), sized(FAR))
    attach(host, "far0", "client", ["198.51.100.1/24", "2001:db8:2::1/64"], sized(BEYOND), onto="router")
    target.sh(ROUTER)
    serve(host, size=BIG)
    yield target
    host.stop()


@pytest.fixture
def target(served: Target) -> Iterator[Target]:
    """Lend the host to one test, and take away what the test put before our table."""
    yield served
    served.sh(f"nft delete table inet foreign; {FORGET_ROUTES}", check=False)


def sized(addresses: list[str]) -> list[str]:
    """Return addresses with the prefix length of their networks."""
    return [f"{address}/{64 if ':' in address else 24}" for address in addresses]


def before_ours(target: Target, hook: str, *rules: str) -> None:
    """Let another program's table judge first. It shows that a test fails without the packets that it is about."""
    lines = [f"type filter hook {hook} priority raw", *rules]
    chain = "\n".join(["table inet foreign {", f"chain {hook} {{", *lines, "}", "}"])
    target.host.exec(["nft", "-f", "-"], stdin=chain.encode())


def only_ours(target: Target) -> None:
    """Remove that table."""
    target.sh("nft delete table inet foreign")


def test_neighbours_find_each_other(target: Target) -> None:
    """The host answers over IPv6 after both ends forgot where the other one is."""
    before_ours(target, "input", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop")
    target.sh(FORGET_NEIGHBOURS)
    assert ask(target.host, NEAR[1:], namespace="router") == [None], "this way needs no neighbour discovery"
    only_ours(target)
    target.sh(FORGET_NEIGHBOURS)
    assert ask(target.host, NEAR[1:], namespace="router") == FAR[1:]


@pytest.mark.parametrize("tracking", ["knows the connection", "has forgotten the connection"])
def test_path_mtu(target: Target, tracking: str) -> None:
    """A big answer arrives whole through a narrow link, whose router tells the host so by ICMP."""
    before_ours(target, "input", "icmp type destination-unreachable drop", "icmpv6 type packet-too-big drop")
    assert ask(target.host, NEAR, namespace="client") == [None, None], "this way needs no path MTU discovery"
    only_ours(target)
    target.sh(FORGET_ROUTES)
    if tracking == "has forgotten the connection":
        before_ours(target, "prerouting", f"tcp dport {PORT} notrack")
        before_ours(target, "output", f"tcp sport {PORT} notrack")
    assert ask(target.host, NEAR, namespace="client") == BEYOND


def test_router_advertisements(target: Target) -> None:
    """A host takes an IPv6 address from an advertisement."""

    def learned() -> bool:
        return any(address.startswith(PREFIX) for address in addresses(target.host, "wan0"))

    before_ours(target, "input", "icmpv6 type nd-router-advert drop")
    advertise(target.host, "router", "wan0", f"{PREFIX}:")
    assert not eventually(learned, seconds=1), "this address needs no advertisement"
    only_ours(target)
    advertise(target.host, "router", "wan0", f"{PREFIX}:")
    assert eventually(learned)


def offered(target: Target, source_port: int) -> bool:
    """Tell whether a broadcast from that port to a DHCP client's reaches a program that listens there."""
    return "offer" in target.host.exec(["python3", "-", str(source_port)], stdin=OFFER.encode()).stdout


def test_dhcp_broadcasts(target: Target) -> None:
    """A DHCP client without raw sockets hears the broadcast of a server, unknown to conntrack; nothing else gets in."""
    assert not offered(target, 6767)
    assert offered(target, 67)


@pytest.mark.parametrize("limit", [LOGGED, 0])
def test_dropped_packets_are_logged_with_a_limit(target: Target, limit: int) -> None:
    """A burst to a closed port is dropped whole, and no more of it logged than declared."""
    if limit == LOGGED:
        target.sh("systemctl reload holdfast-firewall")
    else:
        table = render("firewall", "firewall.nft.j2", firewall__ssh_ports=[22], firewall_log_per_minute=limit)
        target.host.exec(["nft", "-f", "-"], stdin=table.encode())
    target.sh(f"systemd-run --quiet --unit=trace-{limit} sh -c 'exec nft monitor trace > /run/trace'")
    before_ours(target, "input", "udp dport 9 meta nftrace set 1")
    began = time.monotonic()
    target.host.exec([*within("router"), "python3", "-c", FLOOD, NEAR[0], str(BURST)])

    def seen(what: str) -> int:
        return sum("holdfast refuse rule" in line and what in line for line in target.sh("cat /run/trace").splitlines())

    assert eventually(lambda: seen("verdict drop") == BURST), f"of {BURST} packets {seen('verdict drop')} were dropped"
    logged, minutes = seen("holdfast-drop"), (time.monotonic() - began) / 60
    target.sh(f"systemctl stop trace-{limit}; systemctl reload holdfast-firewall")
    assert bool(logged) == bool(limit)
    assert logged <= limit * (1 + minutes)


def test_addresses_by_dhcp(target: Target) -> None:
    """systemd-networkd gets its addresses from a DHCP and DHCPv6 server, and renews them."""
    host = target.host
    install(host, "dnsmasq-base")
    attach(host, "dhcp0", "isp", far=["198.18.5.1/24", "2001:db8:3::1/64"])
    host.exec(["systemd-run", "--quiet", "--unit=isp", *within("isp"), *DNSMASQ.split()])
    host.exec(["sh", "-c", "cat > /etc/systemd/network/50-dhcp0.network"], stdin=NETWORKD.encode())
    before_ours(target, "input", "udp dport { 68, 546 } drop")
    host.exec(["systemctl", "start", "systemd-networkd"])

    def seconds_left(start: str) -> int:
        listed = json.loads(host.exec(["ip", "-json", "address", "show", "dev", "dhcp0"]).stdout)
        found = [entry for link in listed for entry in link["addr_info"] if entry["local"].startswith(start)]
        return max((entry["valid_life_time"] for entry in found), default=0)

    def renewed() -> bool:
        before = seconds_left("198.18.5.")
        host.exec(["networkctl", "renew", "dhcp0"])
        return eventually(lambda: seconds_left("198.18.5.") > before, seconds=4)

    # The first IPv4 offer is read past every firewall; its renewal and all of DHCPv6 are not.
    assert eventually(lambda: seconds_left("198.18.5.") > 0)
    assert not eventually(lambda: seconds_left("2001:db8:3:") > 0, seconds=3), "this address needs no answer"
    only_ours(target)
    assert eventually(lambda: seconds_left("2001:db8:3:") > 0)
    assert renewed()
    before_ours(target, "input", "udp dport 68 drop")
    assert not renewed(), "this renewal needs no answer"
