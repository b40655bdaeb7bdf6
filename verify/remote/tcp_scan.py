"""Find out which TCP ports of an address answer, all 65,535 of them; one process for each address family.

A port that accepts and one that refuses both answer: a refused connection went through the firewall. Silence is a
dropped packet. Sockets are opened in waves as large as the limit of open files allows, and each waits shorter than
the kernel's first repetition, so that one port costs one packet. What was silent is not asked twice, except for the
ports in `again`, which get a longer second look against lost packets.
"""

from __future__ import annotations

import errno
import resource
import select
import socket
import time
from multiprocessing.pool import ThreadPool
from typing import Any

SILENT = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EACCES, errno.EPERM})


def open_files(most: int = 16000) -> int:
    """Number of sockets that one scan may hold at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def scan(  # noqa: C901, PLR0912  # one loop over sockets, and every outcome of each has its line
    address: str,
    ports: list[int],
    seconds: float,
    room: int,
) -> dict[int, str]:
    """Ports that answered: {port: 'open' or 'refused'}. Raises OSError when the address cannot be reached at all."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    poll = select.epoll()
    waiting: dict[int, tuple[socket.socket, int, float]] = {}
    found: dict[int, str] = {}
    todo = iter(ports)
    more = True
    batch = max(50, room // 20)
    # Spread evenly: a burst of thousands of packets is lost in queues on the way.
    pause = seconds / max(1, room / batch)
    while more or waiting:
        began = time.monotonic()
        sent = 0
        while more and len(waiting) < room and sent < batch:
            port = next(todo, 0)
            if not port:
                more = False
                break
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            code = sock.connect_ex((address, port))
            sent += 1
            if code == errno.EINPROGRESS:
                waiting[sock.fileno()] = (sock, port, time.monotonic())
                poll.register(sock.fileno(), select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP)
                continue
            sock.close()
            if code in (0, errno.ECONNREFUSED):
                found[port] = "refused" if code else "open"
            elif code == errno.EADDRNOTAVAIL:
                raise OSError(code, "no local port is free for the scan")
            elif code not in SILENT:
                raise OSError(code, f"connect to {address} port {port}: {errno.errorcode.get(code, code)}")
        while True:
            left = max(0.0, began + pause - time.monotonic())
            events = poll.poll(left, 4096)
            for number, _event in events:
                sock, port, _since = waiting.pop(number)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                poll.unregister(number)
                sock.close()
                if code in (0, errno.ECONNREFUSED):
                    found[port] = "refused" if code else "open"
            if left == 0.0 or time.monotonic() >= began + pause:
                break
        now = time.monotonic()
        old = []
        for number, (_sock, _port, since) in waiting.items():
            if now - since < seconds:
                break
            old.append(number)
        for number in old:
            poll.unregister(number)
            waiting.pop(number)[0].close()
    poll.close()
    return found


def local_address(address: str) -> str:
    """The address that this side uses towards the host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, 9))
        return str(sock.getsockname()[0])


def one(params: dict[str, Any], address: str) -> dict[str, Any]:
    """Scan one address; an address that has no route says so instead of being silent."""
    began = time.monotonic()
    try:
        source = local_address(address)
        room = open_files() // len(params["addresses"]) - 64
        first, last = params.get("ports", [1, 65535])
        found = scan(address, list(range(first, last + 1)), params.get("seconds", 0.9), room)
        found.update(scan(address, [port for port in params.get("again", []) if port not in found], 1.8, room))
    except OSError as error:
        return {"error": str(error), "found": {}, "source": "", "took": time.monotonic() - began}
    return {
        "error": "",
        "found": {str(port): found[port] for port in sorted(found)},
        "source": source,
        "took": round(time.monotonic() - began, 1),
    }


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Scan `params['addresses']`; answer {address: {found, source, error, took}}."""
    addresses = params["addresses"]
    if not addresses:
        return {}
    with ThreadPool(len(addresses)) as pool:
        return dict(zip(addresses, pool.map(lambda address: one(params, address), addresses), strict=True))
