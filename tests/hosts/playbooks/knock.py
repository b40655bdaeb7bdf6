"""Connect to a host's SSH port until its own throttle turns us away; exit code 1 where it never does."""

from __future__ import annotations

import socket
import sys
import time

PAUSE = 0.12  # slower than what the firewall allows in a second: that is open again at once


def turned_away(address: str) -> bool:
    """Connect and leave; sshd says so, or the firewall is silent."""
    time.sleep(PAUSE)
    try:
        with socket.create_connection((address, 22), timeout=0.5) as knock:
            return b"Not allowed" in knock.recv(200)
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(not any(turned_away(sys.argv[1]) for _ in range(200)))
