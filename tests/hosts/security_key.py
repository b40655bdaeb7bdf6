"""An ssh-agent with one security key of software: ssh and sshd cannot tell it from an agent that holds a real one.

What a real key's owner does, or does not do, is chosen by the test: touch it, give its PIN, let it wait.

Sources: draft-ietf-sshm-ssh-agent (messages), OpenSSH's PROTOCOL.u2f (public keys, signatures, flags).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILURE, REQUEST_IDENTITIES, IDENTITIES, SIGN_REQUEST, SIGNATURE = 5, 11, 12, 13, 14
KIND, APPLICATION = b"sk-ssh-ed25519@openssh.com", b"ssh:"
TOUCHED, PIN_GIVEN = 0x01, 0x04


def string(data: bytes) -> bytes:
    """Return bytes as the protocol has them, with their length."""
    return struct.pack(">I", len(data)) + data


def first_string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string at the beginning, and the rest."""
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]


@dataclass
class Owner:
    """What the owner does when the key is asked. ``patience``: how often; then nobody is there any more."""

    flags: int = TOUCHED | PIN_GIVEN
    seconds: float = 0
    patience: int = 1000


@dataclass
class SecurityKey:
    """The key, its owner, and how often it was asked for a signature."""

    owner: Owner = field(default_factory=Owner)
    asked: int = 0
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def blob(self) -> bytes:
        """The public key as the protocol has it."""
        return (
            string(KIND)
            + string(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
            + string(APPLICATION)
        )

    @property
    def line(self) -> str:
        """The public key as a file has it."""
        return f"{KIND.decode()} {base64.b64encode(self.blob).decode()}"

    def signature(self, message: bytes) -> bytes | None:
        """Sign as a real key does; None when its owner is not there."""
        self.asked += 1
        absent = self.asked > self.owner.patience
        if self.gone.wait(600 if absent else self.owner.seconds) or absent:
            return None
        state = struct.pack(">BI", self.owner.flags, self.asked)
        signed = self.private.sign(hashlib.sha256(APPLICATION).digest() + state + hashlib.sha256(message).digest())
        return string(KIND) + string(signed) + state

    def answer(self, request: bytes) -> bytes:
        """Answer one message of ssh."""
        if request[0] == REQUEST_IDENTITIES:
            return struct.pack(">BI", IDENTITIES, 1) + string(self.blob) + string(b"security key")
        if request[0] == SIGN_REQUEST:
            blob, rest = first_string(request[1:])
            signature = self.signature(first_string(rest)[0]) if blob == self.blob else None
            if signature is not None:
                return bytes([SIGNATURE]) + string(signature)
        return bytes([FAILURE])

    def serve(self, connection: socket.socket) -> None:
        """Answer one ssh until it goes."""
        with connection, contextlib.suppress(ConnectionError), connection.makefile("rb") as stream:
            while head := stream.read(4):
                connection.sendall(string(self.answer(stream.read(struct.unpack(">I", head)[0]))))


@contextlib.contextmanager
def agent(key: SecurityKey, path: Path) -> Iterator[None]:
    """Have an agent at ``path`` that holds the key, until the end of the block."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    threading.Thread(target=key.serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            key.gone.set()
            listener.shutdown(socket.SHUT_RDWR)
