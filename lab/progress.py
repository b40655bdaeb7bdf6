"""Progress lines with elapsed seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class LabError(Exception):
    """Something the lab needs is missing or failed; the text says what to do."""


class Progress:
    """Writes lines such as ``[  12.3 s] starting demo``."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since this object was made."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Write one line with the elapsed seconds, and flush it."""
        print(f"[{self.seconds:6.1f} s] {text}", file=self._stream or sys.stderr, flush=True)


progress = Progress()
