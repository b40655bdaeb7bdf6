"""What went wrong, for people."""

from __future__ import annotations


class BackupError(Exception):
    """What went wrong, for people; the exit code for systemd."""

    def __init__(self, text: str, code: int = 1) -> None:
        """Keep both."""
        super().__init__(text)
        self.code = code


class AwayError(BackupError):
    """The server cannot be entered yet."""
