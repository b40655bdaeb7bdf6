"""Find out which of some UDP ports answer: a reply or a refusal went through the firewall, silence tells nothing."""

from __future__ import annotations

import select
import socket
import time
from multiprocessing.pool import ThreadPool
from typing import Any


def probe(address: str, ports: list[int], seconds: float) -> tuple[dict[str, str], str]:
    """Ports that answered: {port: 'open' or 'refused'}, and this side's address; two datagrams each against loss."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockets: dict[socket.socket, int] = {}
    found: dict[str, str] = {}
    for port in ports:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect((address, port))
        sockets[sock] = port
    for _ in range(2):
        for sock, port in sockets.items():
            try:
                if str(port) not in found:
                    sock.send(b"\0")
            except ConnectionRefusedError:
                found[str(port)] = "refused"
            except OSError:
                continue
        end = time.monotonic() + seconds / 2
        while (left := end - time.monotonic()) > 0:
            for sock in select.select(list(sockets), [], [], left)[0]:
                try:
                    sock.recv(2048)
                    found.setdefault(str(sockets[sock]), "open")
                except ConnectionRefusedError:
                    found.setdefault(str(sockets[sock]), "refused")
                except OSError:
                    continue
    source = str(next(iter(sockets)).getsockname()[0]) if sockets else ""
    for sock in sockets:
        sock.close()
    return found, source


def one(address: str, ports: list[int], seconds: float) -> dict[str, Any]:
    """Probe one address; one without a route says so instead of being silent."""
    try:
        found, source = probe(address, ports, seconds)
    except OSError as error:
        return {"found": {}, "source": "", "error": str(error)}
    return {"found": found, "source": source, "error": ""}


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Probe `params['ports']` of each of `params['addresses']`: {address: {found, source, error}}."""
    addresses = params["addresses"]
    if not addresses:
        return {}
    with ThreadPool(len(addresses)) as pool:
        seconds = params.get("seconds", 1.6)
        found = pool.map(lambda address: one(address, params["ports"], seconds), addresses)
    return dict(zip(addresses, found, strict=True))
