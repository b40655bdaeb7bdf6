"""What every host of a lab can do, be it a container or a virtual machine."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lab.progress import LabError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from lab.hosts import Lab


@dataclass
class Machine(ABC):
    """One running host.

    ``address`` is where it is reached: its public IPv4 address, or its IPv6 one where it has no other. ``address6`` is
    empty without IPv6. ``networks`` has its IPv4 address on each of its networks.
    """

    name: str
    release: str
    address: str
    address6: str
    lab: Lab = field(repr=False)
    networks: dict[str, str]

    boot_seconds: ClassVar[float] = 60

    @abstractmethod
    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, past SSH: for planting and looking, not for the runs.

        ``timeout`` in seconds. Raises LabError on a non-zero exit while ``check`` is true.
        """

    @abstractmethod
    def stop(self) -> None:
        """Delete the host."""

    @abstractmethod
    def restart(self, *, hard: bool = False, wait: bool = True) -> None:
        """Boot the host again; ``hard`` cuts the power. Addresses stay, /run and /tmp do not."""

    @abstractmethod
    def running(self) -> bool:
        """Tell whether the host has power."""

    @abstractmethod
    def last_words(self) -> str:
        """Return what tells best why a host does not answer."""

    def cut(self) -> None:
        """Pull the host's network cable: the link of the public network goes down."""
        self.exec(["ip", "link", "set", "eth0", "down"])

    def plug(self) -> None:
        """Plug the cable in again. The kernel forgot routes and IPv6 address with the link: set them anew."""
        v4, v6 = self.lab.network()
        steps = ["ip link set eth0 up"]
        if self.address != self.address6:
            steps.append(f"ip route replace default via {v4[1]} dev eth0")
        if v6 and self.address6:
            steps.append(f"ip -6 addr replace {self.address6}/{v6.prefixlen} dev eth0 nodad")
            steps.append(f"ip -6 route replace default via {v6[1]} dev eth0")
        self.exec(["sh", "-ec", "\n".join(steps)])

    def wait(self, *, port: int = 22, seconds: float | None = None) -> None:
        """Wait until sshd answers with its banner and systemd has booted. Raises LabError after ``seconds``."""
        seconds = seconds or self.boot_seconds
        self.wait_port(port, seconds=seconds)
        deadline = time.monotonic() + seconds
        state = ""
        while time.monotonic() < deadline:
            state = self.exec(["systemctl", "is-system-running"], check=False).stdout.strip()
            if state in {"running", "degraded"}:
                return
            time.sleep(0.1)
        raise LabError(f"{self.name} did not finish booting within {seconds:g} s (systemd says {state or 'nothing'})")

    def wait_port(self, port: int, *, seconds: float | None = None) -> None:
        """Wait until something that speaks SSH listens there. Raises LabError with the host's last log lines."""
        seconds = seconds or self.boot_seconds
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.running():
            with suppress(OSError), socket.create_connection((self.address, port), timeout=2) as connection:
                connection.settimeout(5)
                if connection.recv(16).startswith(b"SSH-"):
                    return
            time.sleep(0.1)
        raise LabError(f"{self.name}: no SSH on {self.address} port {port} after {seconds:g} s\n{self.last_words()}")
