"""Why a host could not be examined, in one line for people."""

from __future__ import annotations

import re
from typing import Final

OTHER_KEY: Final = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed")
SUDO: Final = re.compile(r"^sudo: .*", re.MULTILINE)


def shut_out(stderr: str) -> str:
    """What ssh's complaint means."""
    if OTHER_KEY.search(stderr):
        return "it shows another host key than the pinned one, so nothing was sent to it; is it the host that you mean?"
    lines = stderr.strip().splitlines() or ["ssh said nothing"]
    return f"it cannot be entered: {lines[-1].strip()}"


def not_root(stderr: str, *, password: bool) -> str:
    """What sudo's refusal means; empty when the complaint is not sudo's.

    ``password``: one was given.
    """
    found = SUDO.findall(stderr)
    if not found:
        return ""
    if password and re.search(r"incorrect password|no password was provided", found[-1]):
        return "sudo refuses the password that was given (by ansible_become_password or -K)"
    if "password is required" in found[-1]:
        return "sudo asks for a password, and none was given: run again with -K (--ask-become-pass)"
    return f"the login does not become root: {found[-1]}"
