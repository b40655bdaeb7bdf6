"""The verbs of the services' program."""

from __future__ import annotations

import os
import sys

import deploy_lock
import one_off_command
import settling


def main() -> None:
    """Carry out one verb and end with its exit code."""
    os.umask(0o077)
    verb, word = sys.argv[1:]
    if verb == "settle":
        try:
            with deploy_lock.undisturbed(deploy_lock.DEPLOY_SECONDS):
                settling.settle(int(word))
        except deploy_lock.BusyError:
            raise SystemExit("updates are at work on this host; run again when they are done") from None
    else:
        raise SystemExit(one_off_command.run_recorded(word, sys.stdin.read()))
