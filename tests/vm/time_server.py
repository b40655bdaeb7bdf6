"""A time server on the machine's own network: it tells this machine's time to whoever asks (SNTP, RFC 4330)."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from .outside import address, outside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts.conftest import Target

ANSWER = """
import select, socket, struct, sys, time
SINCE_1900 = 2208988800
def stamp():
    now = time.time() + SINCE_1900
    return struct.pack(">II", int(now), int(now % 1 * 2**32))
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("0.0.0.0", 123))
print("ready", flush=True)
while door in select.select([door, sys.stdin], [], [], 900)[0]:
    asked, whom = door.recvfrom(512)
    head = struct.pack(">BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"LOCL")
    door.sendto(head + stamp() + asked[40:48] + stamp() + stamp(), whom)
"""
SYNCHRONIZED = "timedatectl show -p NTPSynchronized --value"


@contextlib.contextmanager
def time_server(target: Target) -> Iterator[None]:
    """Answer the host's time service, which is told where from its next start on."""
    target.sh(
        "mkdir -p /etc/systemd/timesyncd.conf.d;"
        f"printf '[Time]\\nNTP={address(target)}\\n' > /etc/systemd/timesyncd.conf.d/lab.conf"
    )
    with outside(target, ANSWER):
        yield


def wait_until_synchronized(target: Target, seconds: float = 90) -> None:
    """Return when the host's clock follows the server."""
    end = time.monotonic() + seconds
    while target.sh(SYNCHRONIZED).strip() != "yes":
        assert time.monotonic() < end, target.sh("systemctl status --no-pager systemd-timesyncd", check=False)
        time.sleep(1)
