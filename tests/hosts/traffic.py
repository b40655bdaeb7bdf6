"""Connections through a host's firewall, and cards of it whose other end lies in a network namespace."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.machine import Machine

PORT = 8080
# A container has /proc/sys read-only, and IPv6 is off on cards that come later; a VPS is not so.
LIKE_A_VPS = "mount -o remount,rw /proc/sys; echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6"

# Tells every caller who it seems to be, in a line that is filled up to the wanted size.
SERVER = """
import socket, socketserver, sys
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.client_address[0].removeprefix("::ffff:").encode().ljust(int(sys.argv[2])))
class Server(socketserver.ThreadingTCPServer):
    address_family, allow_reuse_address, daemon_threads = socket.AF_INET6, True, True
Server(("::", int(sys.argv[1])), Answer).serve_forever()
"""
CLIENT = """
import json, socket, sys
def ask(address, port):
    try:
        with socket.create_connection((address, port), timeout=2) as door:
            return b"".join(iter(lambda: door.recv(65536), b"")).decode().strip()
    except OSError:
        return None
print(json.dumps([ask(address, int(sys.argv[1])) for address in sys.argv[2:]]))
"""

ADVERTISER = """
import socket, struct, sys
card, prefix = sys.argv[1:]
message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0)
message += struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 600, 600, 0, socket.inet_pton(socket.AF_INET6, prefix))
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as door:
    door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    door.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex(card)))
"""


def as_account(account: str) -> list[str]:
    """Return the prefix of a command that runs as an account of the host; none for root."""
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []


def within(namespace: str) -> list[str]:
    """Return the prefix of a command that runs in a network namespace of the host; none for the host itself."""
    return ["ip", "netns", "exec", namespace] if namespace else []


def serve(
    host: Machine, port: int = PORT, *, size: int = 0, namespace: str = "", account: str = "", program: str = SERVER
) -> None:
    """Let the host answer on a TCP port, IPv4 and IPv6, with who the caller seems to be, in ``size`` bytes or more."""
    unit = f"answer-{namespace or 'host'}-{port}"
    command = [*within(namespace), *as_account(account), "/usr/bin/python3", "-c", program, str(port), str(size)]
    host.exec(["systemd-run", "--quiet", "--collect", f"--unit={unit}", *command])
    listens = f"until ss -Hltn 'sport = {port}' | grep -q .; do sleep 0.05; done"
    host.exec([*within(namespace), "sh", "-c", listens], timeout=10)


def ask(
    host: Machine, addresses: Sequence[str], port: int = PORT, *, namespace: str = "", account: str = ""
) -> list[str | None]:
    """Connect to each address from the host; return each whole answer, None where nothing or only a part of it came."""
    command = [*as_account(account), "python3", "-", str(port), *addresses]
    done = host.exec([*within(namespace), *command], stdin=CLIENT.encode())
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def addresses(host: Machine, card: str, *, namespace: str = "") -> list[str]:
    """Return the IPv4 and then the IPv6 addresses that the card has, link-local ones left out."""
    command = [*within(namespace), "ip", "-json", "address", "show", "dev", card, "scope", "global"]
    listed = json.loads(host.exec(command).stdout)
    # `scope` leaves an empty entry where it left one out.
    return [entry["local"] for link in listed for entry in link.get("addr_info", []) if entry]


def attach(
    host: Machine, card: str, namespace: str, near: Sequence[str] = (), far: Sequence[str] = (), *, onto: str = ""
) -> None:
    """Give the host a network card whose cable ends in a namespace, made when new, at a card of the same name.

    ``near`` and ``far``: addresses with their prefix lengths on either end. ``onto``: the namespace that gets the near
    end instead of the host.
    """
    ours, theirs = f"ip {f'-n {onto}' if onto else ''}", f"ip -n {namespace}"
    # Nobody else is on that cable: without duplicate detection an IPv6 address can be used at once.
    at_once = f"echo 0 > /proc/sys/net/ipv6/conf/{card}/accept_dad"
    script = [
        "set -e",
        LIKE_A_VPS,
        f"ip netns list | grep -q '^{namespace}' || {{ ip netns add {namespace}; {theirs} link set lo up; }}",
        f"{ours} link add {card} type veth peer name {card} netns {namespace}",
        *(shlex.join([*within(end), "sh", "-c", at_once]) for end in (onto, namespace)),
        *(f"{ours} address add {address} dev {card}" for address in near),
        *(f"{theirs} address add {address} dev {card}" for address in far),
        f"{ours} link set {card} up; {theirs} link set {card} up",
        *(
            f"timeout 10 sh -c 'until {end} -6 address show dev {card} scope link | grep -q inet6; do sleep 0.05; done'"
            for end in (ours, theirs)
        ),
    ]
    host.exec(["sh", "-c", "\n".join(script)])


def advertise(host: Machine, namespace: str, card: str, prefix: str) -> None:
    """Send a router advertisement from a namespace of the host: addresses of the prefix may be used, no way out."""
    host.exec([*within(namespace), "python3", "-", card, prefix], stdin=ADVERTISER.encode())


def install(host: Machine, *packages: str) -> None:
    """Install Debian packages on the host."""
    script = "apt-get -qq update && apt-get -qq install -y --no-install-recommends " + " ".join(packages)
    host.exec(["env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", script], timeout=300)


def eventually(holds: Callable[[], bool], *, seconds: float = 15) -> bool:
    """Tell whether something comes true within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
