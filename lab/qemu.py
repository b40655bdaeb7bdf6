"""The two channels into a running QEMU: its own monitor, and the guest agent inside the machine.

Both speak JSON, a line each way, over a socket pair that QEMU inherits: nothing is bound, nothing lies about.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from lab.progress import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Channel:
    """Orders and their answers. ``theirs`` is the end for QEMU, to be closed here once QEMU has it."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._rest = b""

    def close(self) -> None:
        """Close both ends."""
        self._ours.close()
        self.theirs.close()

    def send(self, order: str, arguments: Mapping[str, Any]) -> None:
        """Send an order."""
        self._ours.settimeout(30)
        self._ours.sendall(json.dumps({"execute": order, "arguments": arguments}).encode() + b"\n")

    def receive(self, deadline: float) -> dict[str, Any]:
        """Return the next message. Raises TimeoutError at the deadline, EOFError when QEMU has ended."""
        while b"\n" not in self._rest:
            self._ours.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._ours.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError("QEMU has ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        # The agent marks the answer to guest-sync-delimited with this byte, which is in no UTF-8 text.
        return dict(json.loads(line.rpartition(b"\xff")[2]))

    def ask(self, order: str, arguments: Mapping[str, Any], *, seconds: float = 30) -> Any:
        """Send an order and return what came back. Raises LabError when it is refused."""
        deadline = time.monotonic() + seconds
        self.send(order, arguments)
        while True:
            answer = self.receive(deadline)
            if "error" in answer:
                raise LabError(f"{order}: {answer['error'].get('desc', answer['error'])}")
            if "return" in answer:
                return answer["return"]


class Monitor(Channel):
    """QEMU's monitor."""

    def greet(self) -> None:
        """Begin; QEMU takes no orders before."""
        self.ask("qmp_capabilities", {})

    def wait_for(self, event: str, seconds: float) -> None:
        """Wait until QEMU tells of an event. Raises TimeoutError, EOFError."""
        deadline = time.monotonic() + seconds
        while self.receive(deadline).get("event") != event:
            pass

    def human(self, command: str) -> None:
        """Give an order in the words of the human monitor, which answers nothing unless it failed. LabError."""
        if said := self.ask("human-monitor-command", {"command-line": command}, seconds=300).strip():
            raise LabError(f"QEMU refuses `{command}`: {said}")


class Agent(Channel):
    """qemu-guest-agent in the guest: root's commands, past SSH and past the firewall."""

    def find(self, deadline: float) -> None:
        """Wait until the agent answers, and drop what it still had to say. Raises TimeoutError, EOFError."""
        while True:
            number = int.from_bytes(os.urandom(4), "big")
            self.send("guest-sync-delimited", {"id": number})
            try:
                until = min(deadline, time.monotonic() + 5)
                while self.receive(until).get("return") != number:
                    pass
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes | None) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest to its end. Raises TimeoutError, EOFError, and LabError when it cannot start."""
        deadline = time.monotonic() + timeout
        order = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        if stdin is not None:
            order["input-data"] = base64.b64encode(stdin).decode()
        started = self.ask("guest-exec", order)
        pause = 0.05
        while not (status := self.ask("guest-exec-status", {"pid": started["pid"]}))["exited"]:
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        texts = [base64.b64decode(status.get(name, "")).decode(errors="replace") for name in ("out-data", "err-data")]
        return subprocess.CompletedProcess(argv, status.get("exitcode", 128 + status.get("signal", 0)), *texts)
