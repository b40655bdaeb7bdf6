"""What a host passes on: nothing, what a private network sends, or what comes out of a WireGuard tunnel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import HOST, Hardened, Target
from .starts import SITE, edit, edit_host, own
from .traffic import LIKE_A_VPS, PORT, addresses, advertise, ask, attach, eventually, install, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.hosts import Lab
    from lab.machine import Machine

pytestmark = pytest.mark.slow

DECLARED, UNDECLARED = 51820, 51821
ENDPOINT = "192.0.2.1"
FORWARDING = f"{LIKE_A_VPS}; for key in ipv4/ip_forward ipv6/conf/all/forwarding; do echo %d > /proc/sys/net/$key; done"
# The kernel of the tests may lack WireGuard; wireguard-go speaks the same protocol in a program of its own. The peer's
# end lies in a namespace of the host, behind a card that is not declared then.
TUNNEL = """
set -e
umask 077
for end in wg0 peer0; do wg genkey > /run/$end.key; done
wireguard-go wg0 > /dev/null
wg set wg0 private-key /run/wg0.key peer $(wg pubkey < /run/peer0.key) allowed-ips 10.66.0.2/32,fd66::2/128
ip address add 10.66.0.1/24 dev wg0
ip address add fd66::1/64 dev wg0
ip link set wg0 up
away() { ip netns exec away "$@"; }
away wireguard-go peer0 > /dev/null
away wg set peer0 private-key /run/peer0.key
away ip address add 10.66.0.2/24 dev peer0
away ip address add fd66::2/64 dev peer0
away ip link set peer0 up
away ip route add default dev peer0
away ip -6 route add default dev peer0
"""
# A peer that was told of anew asks at once; a known one waits five seconds after each try.
MEET = f"""
set -e
wg set wg0 listen-port {{port}}
key=$(wg pubkey < /run/wg0.key)
away() {{{{ ip netns exec away wg set peer0 peer "$key" "$@"; }}}}
away remove
away endpoint {ENDPOINT}:{{port}} allowed-ips 0.0.0.0/0,::/0
"""
OPEN_WIDE = "nft insert rule inet holdfast forward accept"
RELOAD = "systemctl reload holdfast-firewall"
VPN: dict[str, Any] = {
    "name": "vpn",
    "on": ["web"],
    "listen": [{"port": DECLARED, "proto": "udp"}, {"port": PORT, "network": "vpn"}],
}


@dataclass
class Net:
    """A host between the world and a private network, with one more host on either side."""

    target: Target
    world: Machine
    private: Machine

    @property
    def outside(self) -> list[str]:
        """Addresses of the host out in the world."""
        return addresses(self.world, "eth0")

    @property
    def inside(self) -> list[str]:
        """Addresses of the private host."""
        return addresses(self.private, "eth1")

    def declare(self, forwards: str, *more: dict[str, str]) -> None:
        """Declare what the host passes on, its private card and perhaps more, and run the playbook."""
        backend = {"name": "backend", "interface": "eth1", "address": self.target.host.networks["backend"]}
        edit_host(self.target, forwards=forwards, networks=[backend, *more])
        self.target.play(SITE)

    def advertised(self) -> bool:
        """Send a router advertisement to the declared public card; tell whether the host takes an address from it."""
        host, prefix = self.target.host, "2001:db8:9:"
        advertise(host, "away", "wan0", f"{prefix}:")
        return eventually(lambda: any(a.startswith(prefix) for a in addresses(host, "wan0")), seconds=2)


@pytest.fixture(scope="module")
def net(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Start the three; each side has a way through the host, and the kernel of the host forwards.

    A second card of the host, public as well, ends in a namespace.
    """
    host = lab.start(
        HOST, release, image=hardened.image, networks=("backend",), options=("--device", "/dev/net/tun:/dev/net/tun")
    )
    target = own(Target(host, hardened.inventory), tmp_path_factory.mktemp("net"))
    target.sh(FORWARDING % 1)
    attach(host, "wan0", "away", [f"{ENDPOINT}/24"], ["192.0.2.2/24"])
    world, private = lab.start("world", release), lab.start("private", release, networks=("backend",))
    private.cut()
    route(private, ["default", "default"], addresses(host, "eth1"))
    route(world, lab.network("backend"), addresses(host, "eth0"))
    serve(private)
    serve(world)
    yield Net(target, world, private)
    for each in (host, world, private):
        each.stop()


def route(host: Machine, networks: Sequence[object], gateways: Sequence[str]) -> None:
    """Lead an IPv4 and an IPv6 network through the gateways."""
    for network, gateway in zip(networks, gateways, strict=True):
        host.exec(["ip", "-6" if ":" in gateway else "-4", "route", "add", str(network), "via", gateway])


def test_none_passes_nothing(net: Net) -> None:
    """Neither way, although the kernel would: the same packets arrive once our chain lets them."""
    assert ask(net.private, net.outside) == [None, None]
    assert ask(net.world, net.inside) == [None, None]
    net.target.sh(OPEN_WIDE)
    assert ask(net.world, net.inside) == addresses(net.world, "eth0")
    net.target.sh(RELOAD)
    assert ask(net.world, net.inside) == [None, None]


def test_router_lets_the_private_network_out(net: Net) -> None:
    """What the private host sends goes out under the host's address; a stranger gets nothing in.

    The host itself goes on listening to advertisements on its public card, which a forwarding kernel does not.
    """
    assert not net.advertised(), "this kernel listens although it forwards"
    net.target.sh(FORWARDING % 0)
    net.declare("router", {"name": "public", "interface": "wan0"})
    assert ask(net.private, net.outside) == addresses(net.target.host, "eth0")
    assert ask(net.world, net.inside) == [None, None]
    net.target.sh(OPEN_WIDE)
    assert ask(net.world, net.inside) == addresses(net.world, "eth0")
    net.target.sh(RELOAD)
    assert net.advertised()


def test_wireguard_lets_peers_in_and_through(net: Net) -> None:
    """A peer gets in at the declared port alone, and through it to all networks; nobody else does."""
    host = net.target.host
    install(host, "wireguard-go", "wireguard-tools")
    net.target.sh(TUNNEL)
    assert not answers(net.target, DECLARED), "the port answers before it is declared"
    edit(net.target, "group_vars/all/services.yml", lambda data: data["services"].append(VPN))
    net.declare("wireguard", {"name": "vpn", "interface": "wg0", "address": "10.66.0.1"})
    assert not answers(net.target, UNDECLARED)
    assert answers(net.target, DECLARED)

    serve(host)
    serve(host, UNDECLARED)
    serve(host, namespace="away")
    peer = addresses(host, "peer0", namespace="away")
    assert ask(host, addresses(host, "wg0"), namespace="away") == peer, "what is declared on the tunnel's network"
    assert ask(host, addresses(host, "wg0"), UNDECLARED, namespace="away") == [None, None]
    assert ask(host, net.inside, namespace="away") == peer
    assert ask(host, net.outside, namespace="away") == addresses(host, "eth0")
    assert ask(net.private, net.outside) == [None, None], "the private network goes out through a WireGuard host"
    for end in (net.world, net.private):
        assert ask(end, addresses(host, "eth0")[:1]) == [None], "the tunnel's port is open elsewhere"
    for end, card in ((net.world, "eth0"), (net.private, "eth1")):
        route(end, ["10.66.0.0/24", "fd66::/64"], addresses(host, card))
        assert ask(end, peer) == [None, None], "a stranger reaches a peer"
    net.target.sh(OPEN_WIDE)
    assert ask(net.private, peer) == net.inside
    net.target.sh(RELOAD)


def answers(target: Target, port: int) -> bool:
    """Move the host's end of the tunnel to a port, and tell whether a peer that comes anew gets any answer there."""
    target.sh(MEET.format(port=port))
    ask(target.host, ["10.66.0.1"], namespace="away")
    return target.sh("ip netns exec away wg show peer0 transfer").split()[1] != "0"
