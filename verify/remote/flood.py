"""Knock at a port quickly, as somebody does who guesses passwords: what became of the knocks."""

from __future__ import annotations

import socket
import time
from typing import Any

SECONDS = 0.7
"""Shorter than the kernel takes to ask again."""
ENOUGH = 3
"""Of each kind of silence."""
MOST = 12
"""Who has dropped as many is counted long since, and each costs the time of waiting for it."""


def knock(address: str, port: int) -> str:
    """Connect once: `heard` by sshd, `turned away` by it at once, or `dropped` before it; else `unclear`."""
    try:
        with socket.create_connection((address, port), timeout=SECONDS) as sock:
            sock.settimeout(SECONDS)
            try:
                return "heard" if sock.recv(64).startswith(b"SSH-") else "turned away"
            except ConnectionResetError:
                return "turned away"
            except OSError:
                return "unclear"
    except TimeoutError:
        return "dropped"
    except OSError:
        return "unclear"


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Connect up to `params['count']` times to address and port, until each kind in `params['wanted']` was met.

    Returns {heard, turned away, dropped, unclear, took}: how many of each kind there were, and the seconds it took.
    """
    found = {"heard": 0, "turned away": 0, "dropped": 0, "unclear": 0}
    began = time.monotonic()
    for _ in range(params["count"]):
        found[knock(params["address"], params["port"])] += 1
        if all(found[kind] >= ENOUGH for kind in params["wanted"]) or found["dropped"] >= MOST:
            break
    return {**found, "took": round(time.monotonic() - began, 1)}
