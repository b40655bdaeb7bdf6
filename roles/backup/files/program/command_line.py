"""The verbs of the backups.

In the sandbox of its units, as holdfast-backup: `backup`, `check`, `init`. As root: `hold` mounts what the sandbox is
to see, `start VERB` starts such a unit and tells how it went, `restore` brings files back, `key` makes the key for the
server, `tell` tells its public half and where older backups are, `restic` runs restic by hand on the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import backing_up
import by_hand
import holding
import locations
import records
import repository
import restoring
import server_key
import sources
from failures import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the units do as the account of the backups.
IN_THE_SANDBOX = {"backup": backing_up.backup, "check": repository.check, "init": repository.init}
UNITS = {
    name: f"holdfast-backup{suffix}.service"
    for name, suffix in (("backup", ""), ("check", "-check"), ("init", "-init"))
}


def main() -> int:
    """Carry out one verb; a failure is told in words, and its exit code is restic's."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(description="The backups of this host")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in (*UNITS, "hold", "key", "tell"):
        verbs.add_parser(name)
    verbs.add_parser("start").add_argument("unit", choices=UNITS)
    verbs.add_parser("restic")
    bring = verbs.add_parser("restore")
    bring.add_argument("--path", required=True)
    bring.add_argument("--to", required=True)
    bring.add_argument("--snapshot", default="latest")
    bring.add_argument("--list", action="store_true")
    # All that follows is restic's own, of which argparse would keep `--help`, and take away one `--`.
    words = sys.argv[1:]
    own, passed_on = (words[:1], words[1:]) if words[:1] == ["restic"] else (words, [])
    given = parser.parse_args(own, argparse.Namespace(arguments=passed_on))
    if given.verb == "start":
        return start(given.unit)
    try:
        return carry_out(given)
    except BackupError as error:
        print(error, file=sys.stderr)
        return error.code
    except OSError as error:  # a full disk, a program or a file that is not there
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 1


def carry_out(given: argparse.Namespace) -> int:
    """Do what one verb says, alone where it reads or writes the repository; return the exit code."""
    if given.verb == "key":
        server_key.make_once()
    elif given.verb == "tell":
        server_key.tell(records.orders())
    elif given.verb == "hold":  # before the backup that it is for waits to be alone
        holding.hold(records.orders())
    else:
        with alone():
            if given.verb == "restic":
                return by_hand.run(records.orders(), given.arguments)
            if given.verb == "restore":
                restoring.restore(records.orders(), given.path, given.to, given.snapshot, only_list=given.list)
            else:
                IN_THE_SANDBOX[given.verb](records.orders())
    return 0


def start(verb: str) -> int:
    """Start a unit, wait for it, and repeat what it said."""
    unit, since = UNITS[verb], int(time.time())
    done = subprocess.run(
        ["systemctl", "start", unit], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    subprocess.run(["journalctl", "--sync"], check=False)
    said = subprocess.run(
        ["journalctl", "--no-pager", "-o", "cat", f"--since=@{since}"]
        + [f"_SYSTEMD_UNIT={each}" for each in (unit, sources.UNIT)],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    print(said or done.stderr.strip())
    if done.returncode:
        print(f"{unit} failed; all of it: journalctl -u {unit}")
    return done.returncode


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of this host's backups; what restarts things waits for it."""
    with open(locations.LOCK, encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another backup, check or restore to end", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
