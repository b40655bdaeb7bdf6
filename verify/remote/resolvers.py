"""Which resolvers a host asks, and whether those that it should ask look up a name for it."""

from __future__ import annotations

import concurrent.futures
import os
import re
import secrets
import socket
from typing import Any

from verify.remote.tell import lines_of, read, run

TRIES, ANSWER_SECONDS = 2, 2.0
RESOLVED = "systemd-resolved.service"


def look_up(resolver: str) -> str:
    """Ask one for the root's name servers, which every resolver knows; tell what went wrong, nothing for an answer."""
    ident = secrets.token_bytes(2)
    query = ident + bytes.fromhex("01000001000000000000" + "00" + "00020001")
    wrong = "no answer"
    for _ in range(TRIES):
        try:
            with socket.socket(socket.AF_INET6 if ":" in resolver else socket.AF_INET, socket.SOCK_DGRAM) as door:
                door.settimeout(ANSWER_SECONDS)
                door.connect((resolver, 53))
                door.send(query)
                reply = door.recv(4096)
        except socket.timeout:  # noqa: UP041  the older name, for the oldest host
            continue
        except OSError as error:
            wrong = error.strerror or str(error)
            continue
        if len(reply) < 12 or reply[:2] != ident or not reply[2] & 0x80:
            wrong = "an answer to something else"
        elif not reply[3] & 0x80:
            wrong = "it looks up nothing for others"
        else:
            return "" if reply[3] & 15 in (0, 3) else f"it refuses, with code {reply[3] & 15}"
    return wrong


def by_link(command: str) -> dict[str, list[str]]:
    """What resolvectl says of servers or domains: of all links together as Global, and of each."""
    found: dict[str, list[str]] = {}
    for line in lines_of(run(["resolvectl", "--no-pager", command])[1]):
        name, _, words = line.partition(":")
        found[name.strip()] = words.split()
    return found


def resolvers(wanted: list[str]) -> dict[str, Any]:
    """Look at the list in force, and ask each of those that are wanted."""
    text = read("/etc/resolv.conf")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tried = dict(zip(wanted, pool.map(look_up, wanted)))  # noqa: B905  of one length, and older hosts have no strict
    active = run(["systemctl", "is-active", RESOLVED])[0] == 0
    return {
        "file": os.path.realpath("/etc/resolv.conf"),
        "listed": re.findall(r"(?m)^nameserver\s+(\S+)", text),
        "nss_resolved": bool(re.search(r"(?m)^hosts:.*\sresolve\b", read("/etc/nsswitch.conf"))),
        "resolved": {"servers": by_link("dns"), "domains": by_link("domain")} if active else None,
        "tried": tried,
    }
