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
PUBLIC, PRIVATE = "pub0", "lan0"
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
    """A host between a piece of the world and a private network, each with somebody in it.

    They are namespaces of the host behind cards of it: a bridge of the engine in between might rewrite or drop what
    passes it.
    """

    target: Target

    def ask(self, who: str, *arguments: Any) -> list[str | None]:
        """Connect as the stranger ("world") or as the private host ("inside"); see ``traffic.ask``."""
        return ask(self.target.host, *arguments, namespace=who)

    def has(self, card: str, who: str = "") -> list[str]:
        """Return the IPv4 and IPv6 address of a card of the host, or of one of the two."""
        return addresses(self.target.host, card, namespace=who)

    @property
    def outside(self) -> list[str]:
        """Addresses of the stranger."""
        return self.has(PUBLIC, "world")

    @property
    def inside(self) -> list[str]:
        """Addresses of the private host."""
        return self.has(PRIVATE, "inside")

    def declare(self, forwards: str, *more: dict[str, str]) -> None:
        """Declare what the host passes on, its private card and perhaps more, and run the playbook."""
        backend = {"name": "backend", "interface": PRIVATE, "address": self.has(PRIVATE)[0]}
        edit_host(self.target, forwards=forwards, networks=[backend, *more])
        self.target.play(SITE)

    def advertised(self) -> bool:
        """Send a router advertisement to the declared public card; tell whether the host takes an address from it."""
        host, prefix = self.target.host, "2001:db8:9:"
        advertise(host, "away", "wan0", f"{prefix}:")
        return eventually(lambda: any(a.startswith(prefix) for a in addresses(host, "wan0")), seconds=2)


@pytest.fixture(scope="module")
def net(lab: Lab, release: str, hardened: Hardened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """Start the host, whose kernel forwards; each side has a way through it.

    A second public card of the host ends in a namespace of its own.
    """
    host = lab.start(HOST, release, image=hardened.image, options=("--device", "/dev/net/tun:/dev/net/tun"))
    target = own(Target(host, hardened.inventory), tmp_path_factory.mktemp("net"))
    target.sh(FORWARDING % 1)
    attach(host, "wan0", "away", [f"{ENDPOINT}/24"], ["192.0.2.2/24"])
    attach(host, PUBLIC, "world", ["198.51.100.1/24", "2001:db8:1::1/64"], ["198.51.100.2/24", "2001:db8:1::2/64"])
    attach(host, PRIVATE, "inside", ["10.77.0.1/24", "fd77::1/64"], ["10.77.0.2/24", "fd77::2/64"])
    route(host, "inside", ["default", "default"], addresses(host, PRIVATE))
    route(host, "world", ["10.77.0.0/24", "fd77::/64"], addresses(host, PUBLIC))
    for namespace in ("inside", "world"):
        serve(host, namespace=namespace)
    yield Net(target)
    host.stop()


def route(host: Machine, namespace: str, networks: Sequence[str], gateways: Sequence[str]) -> None:
    """Lead an IPv4 and an IPv6 network out of the namespace through the gateways."""
    for network, gateway in zip(networks, gateways, strict=True):
        host.exec(["ip", "-n", namespace, "-6" if ":" in gateway else "-4", "route", "add", network, "via", gateway])


def test_none_passes_nothing(net: Net) -> None:
    """Neither way, although the kernel would: the same packets arrive once our chain lets them."""
    assert net.ask("inside", net.outside) == [None, None]
    assert net.ask("world", net.inside) == [None, None]
    net.target.sh(OPEN_WIDE)
    assert net.ask("world", net.inside) == net.outside
    net.target.sh(RELOAD)
    assert net.ask("world", net.inside) == [None, None]


def test_router_lets_the_private_network_out(net: Net) -> None:
    """What the private host sends goes out under the host's address; a stranger gets nothing in.

    The host itself goes on listening to advertisements on its public card, which a forwarding kernel does not.
    """
    assert not net.advertised(), "this kernel listens although it forwards"
    net.target.sh(FORWARDING % 0)
    net.declare("router", {"name": "public", "interface": "wan0"})
    assert net.ask("inside", net.outside) == net.has(PUBLIC)
    assert net.ask("world", net.inside) == [None, None]
    net.target.sh(OPEN_WIDE)
    assert net.ask("world", net.inside) == net.outside
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
    assert ask(host, net.outside, namespace="away") == net.has(PUBLIC)
    assert net.ask("inside", net.outside) == [None, None], "the private network goes out through a WireGuard host"
    for end, card in (("world", PUBLIC), ("inside", PRIVATE)):
        assert net.ask(end, net.has(card)) == [None, None], "the tunnel's port is open elsewhere"
        if end == "world":  # the private host's way out leads there already
            route(host, end, ["10.66.0.0/24", "fd66::/64"], net.has(card))
        assert net.ask(end, peer) == [None, None], "a stranger reaches a peer"
    net.target.sh(OPEN_WIDE)
    assert net.ask("inside", peer) == net.inside
    net.target.sh(RELOAD)


def answers(target: Target, port: int) -> bool:
    """Move the host's end of the tunnel to a port, and tell whether a peer that comes anew gets any answer there."""
    target.sh(MEET.format(port=port))
    ask(target.host, ["10.66.0.1"], namespace="away")
    return target.sh("ip netns exec away wg show peer0 transfer").split()[1] != "0"
