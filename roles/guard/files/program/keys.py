"""Which keys a revert may not bring back: those that nobody is declared to hold any more."""

from __future__ import annotations

import os
from typing import Any

KEY_TYPES = ("ssh-", "ecdsa-", "sk-")


def blob_of(line: str) -> str | None:
    """The base64 key in a line of an authorized_keys file; None for comments and noise."""
    words = line.split()
    for index, word in enumerate(words[:-1]):
        if word.startswith(KEY_TYPES) and words[index + 1].startswith("AAAA"):
            return words[index + 1]
    return None


def blobs(data: bytes | None) -> set[str]:
    """Every key of an authorized_keys file."""
    return {blob for line in (data or b"").decode(errors="replace").splitlines() if (blob := blob_of(line))}


class Finals:
    """Decides, for each file of the key directory, what of the old version a revert may put back."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Collect the keys that are declared now, plus those of the account that runs the commit."""
        self._directory: str = order["key_directory"]
        self._present: str = order["login_as"]
        self._declared = {
            blob for entry in order["files"] if self._concerns(entry["path"]) for blob in blobs(entry["bytes"])
        }
        self._people = {os.path.basename(entry["path"]) for entry in order["files"] if self._concerns(entry["path"])}

    def _concerns(self, path: str) -> bool:
        return os.path.dirname(path) == self._directory

    def gone(self, path: str) -> bool:
        """Whether a pruned file belongs to somebody who may not come back."""
        owner = os.path.basename(path)
        return self._concerns(path) and owner not in self._people and owner != self._present

    def instead(self, path: str, old: bytes | None) -> bytes | None:
        """The old content without revoked keys; None when all of it may come back."""
        if old is None or not self._concerns(path) or os.path.basename(path) == self._present:
            return None
        lines = old.decode(errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if blob_of(line) is None or blob_of(line) in self._declared]
        return None if kept == lines else "".join(kept).encode()
