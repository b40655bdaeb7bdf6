"""Progress lines with elapsed seconds."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIVE_SECONDS = 15


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

    @contextmanager
    def alive(self, what: str) -> Iterator[None]:
        """Announce something long, and say every 15 s that it still goes on."""
        self.say(what)
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(ALIVE_SECONDS):
                self.say("  still at it")

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()


progress = Progress()
