"""A terminal, for programs that ask somebody."""

from __future__ import annotations

import os
import pty
import select
import signal
import time


class Terminal:
    """A program on a terminal of its own, and what it showed."""

    def __init__(self, argv: list[str]) -> None:
        """Start it."""
        self.text = ""
        self.child, self.handle = pty.fork()
        if self.child == 0:
            os.execvp(argv[0], argv)

    def expect(self, wanted: str, seconds: float = 15) -> None:
        """Read until ``wanted`` was shown since the last answer."""
        end = time.monotonic() + seconds
        shown = ""
        while wanted not in shown:
            left = end - time.monotonic()
            assert left > 0, f"no {wanted!r} within {seconds:.0f} s:\n{self.text}"
            if select.select([self.handle], [], [], left)[0]:
                try:
                    piece = os.read(self.handle, 4096).decode(errors="replace")
                except OSError:
                    piece = ""
                assert piece, f"ended before {wanted!r}:\n{self.text}"
                shown += piece
                self.text += piece

    def type(self, line: str) -> None:
        """Type a line. A moment is left for the program to switch the echo off."""
        time.sleep(0.3)
        os.write(self.handle, line.encode() + b"\n")

    def ended(self, seconds: float) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.handle], [], [], left)[0]:
                try:
                    piece = os.read(self.handle, 4096).decode(errors="replace")
                except OSError:  # how a terminal says that nobody holds its other side any more
                    piece = ""
                if not piece:
                    os.close(self.handle)
                    return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
                self.text += piece
        raise AssertionError(f"not ended within {seconds:.0f} s:\n{self.text}")

    def close(self) -> None:
        """End it."""
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.handle)
