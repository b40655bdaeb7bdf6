"""Knock at a port quickly, as somebody does who guesses passwords: how many of the knocks were heard."""

from __future__ import annotations

import socket
import time
from typing import Any

SECONDS = 0.7
"""Shorter than the kernel takes to ask again."""


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Connect `params['count']` times to address and port, reading the greeting: {heard, silent, took}."""
    heard = silent = 0
    began = time.monotonic()
    for _ in range(params["count"]):
        try:
            with socket.create_connection((params["address"], params["port"]), timeout=SECONDS) as sock:
                sock.settimeout(SECONDS)
                greeting = sock.recv(64)
        except OSError:
            silent += 1
            continue
        if greeting.startswith(b"SSH-"):
            heard += 1
        else:
            silent += 1
        if silent >= params.get("enough", 8):
            break
    return {"heard": heard, "silent": silent, "took": round(time.monotonic() - began, 1)}
