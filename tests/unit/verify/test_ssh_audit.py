"""What ssh-audit says is judged, its contradiction on Debian 12 included."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from verify.outside import QUANTUM, RATE, objections, tool, unmet
from verify.remote_call import from_outside

if TYPE_CHECKING:
    from collections.abc import Iterator


def audit(*kex: tuple[str, dict[str, list[str]]], **more: Any) -> dict[str, Any]:
    data = {kind: [{"algorithm": "good", "notes": {}}] for kind in ("key", "enc", "mac")}
    data["kex"] = [{"algorithm": name, "notes": notes} for name, notes in kex]
    return {
        "out": f"noise\n{json.dumps(data)}",
        "text": "",
        "policy_kex": ["curve25519-sha256"],
        "errors": [],
        "passed": True,
        **more,
    }


def test_clean() -> None:
    assert objections(audit(("mlkem768x25519-sha256", {}))) == ([], [])


def test_what_the_policy_asks_for_is_a_remark() -> None:
    problems, remarks = objections(audit(("curve25519-sha256", {"warn": [QUANTUM]})))
    assert not problems
    assert len(remarks) == 1


def test_other_warnings_are_problems() -> None:
    assert objections(audit(("ecdh-sha2-nistp256", {"warn": [QUANTUM]})))[0]
    assert objections(audit(("curve25519-sha256", {"warn": ["something else"]})))[0]


def test_seeing_nothing_is_a_problem() -> None:
    assert objections(audit())[0]
    assert objections({"out": "", "text": "broke", "policy_kex": []})[0] == ["no result: broke"]
    assert unmet({"errors": [], "passed": None, "text": "broke", "out": ""})


def test_policy() -> None:
    error = {
        "mismatched_field": "Key exchanges",
        "expected_required": ["sntrup761x25519-sha512", "curve25519-sha256"],
        "actual": ["sntrup761x25519-sha512"],
    }
    assert unmet(audit(errors=[error], passed=False)) == []
    assert unmet(audit(errors=[{**error, "actual": ["curve25519-sha256"]}], passed=False))
    assert unmet(audit(errors=[{**error, "mismatched_field": "MACs"}], passed=False))


def key_exchange() -> bytes:
    """What a server offers, of which ssh-audit is to try one: a key exchange with Diffie-Hellman."""
    ciphers, macs = ["aes256-gcm@openssh.com"] * 2, ["hmac-sha2-512-etm@openssh.com"] * 2
    offers = ["diffie-hellman-group16-sha512", "ssh-ed25519", *ciphers, *macs, "none", "none", "", ""]
    lists = b"".join(struct.pack(">I", len(one)) + one.encode() for one in offers)
    payload = bytes([20]) + bytes(16) + lists + bytes(5)
    padding = 12 - (len(payload) + 1) % 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


class Server:
    """Greets each caller and says what it offers; with a pause between callers, where it throttles."""

    def __init__(self, pause: float) -> None:
        """Begin."""
        self.door, self.pause, self.over = socket.create_server(("127.0.0.1", 0)), pause, False
        self.port: int = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        callers = []
        while not self.over:
            caller, _ = self.door.accept()
            caller.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n" + key_exchange())
            callers.append(caller)
            time.sleep(self.pause)
        for caller in callers:
            caller.close()

    def end(self) -> None:
        """Let nobody in any more."""
        self.over = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.door.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with this pause between callers."""
    made = Server(request.param)
    yield made
    made.end()


@pytest.mark.parametrize(("server", "throttled"), [(0, False), (0.1, True)], indirect=["server"])
def test_a_server_that_throttles_nobody_is_a_problem(server: Server, throttled: bool) -> None:
    """By the tool's own rate test, which says it neither of a key exchange nor as a flaw."""
    arguments = ["-j", "-4", "-p", str(server.port), "-t", "2", "127.0.0.1"]
    asked = {"tool": tool(), "policy": "Hardened Debian 12 (version 3)", "free": 99, "arguments": arguments}
    problems, _ = objections(from_outside("", "ssh_audit_run", asked))
    assert [RATE in one for one in problems].count(True) == (0 if throttled else 1), problems
