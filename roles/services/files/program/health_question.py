"""The question whether a part is up, and its answer."""

from __future__ import annotations

import socket
import time
from typing import Any

ASK_SECONDS = 3.0  # for one question and its answer, however slowly that comes
STATUS_BYTES = 1024  # in which the status has to stand


def remaining(until: float) -> float:
    """Seconds until then. Raises TimeoutError when none are left."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def first_line(door: socket.socket, until: float) -> str:
    """Return the first line that comes; what follows may never end.

    Raises TimeoutError when it is not there in time, by whatever drops it comes.
    """
    said = b""
    while b"\n" not in said and len(said) < STATUS_BYTES:
        door.settimeout(remaining(until))
        more = door.recv(STATUS_BYTES - len(said))
        if not more:
            break
        said += more
    return said.partition(b"\n")[0].decode(errors="replace")


def ask(part: dict[str, Any], path: str) -> str:
    """Ask a part for its health; return the status of its answer, or why there is none.

    :param path: of its socket, where it has no port.
    """
    family = socket.AF_INET if part["port"] else socket.AF_UNIX
    place: Any = ("127.0.0.1", part["port"]) if part["port"] else path
    until = time.monotonic() + ASK_SECONDS
    try:
        with socket.socket(family) as door:
            door.settimeout(ASK_SECONDS)
            door.connect(place)
            door.settimeout(remaining(until))
            door.sendall(f"GET {part['health']} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            words = first_line(door, until).split()
    except OSError as error:
        return error.strerror or str(error)
    return words[1] if len(words) > 1 else "no HTTP"
