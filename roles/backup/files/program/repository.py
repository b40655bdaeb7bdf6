"""The repository: made once, and checked."""

from __future__ import annotations

import datetime
import os
import re
from typing import Any

import connection
import records
import restic
import trees
from failures import AwayError, BackupError

PARTS = 12  # of the repository's data one is read each week
NAME = re.compile(r"\b[0-9a-f]{64}\b")  # of a file in a repository


def make_repository(order: dict[str, Any]) -> None:
    """Open the repository, or make it, once.

    Raises:
        BackupError: it cannot be reached, has another password, was there before and is gone, or the backups so far
            are elsewhere: a new one in its place would hide them.
    """
    # One refused login, not restic's as well: a server that throttles would refuse the good ones after them too.
    if order["server"] and (words := connection.shut_out()):
        restic.judge(order, words, connection.SSH_FAILED)
    found = restic.run(order, restic.UNLOCKED, "cat", "config")
    if found.returncode:
        if not restic.MISSING.search(found.stderr) or records.was_made(order):
            restic.fail(order, found)
        if words := records.elsewhere(order):
            raise BackupError(f"no new repository was made: {words}")
        make_anew(order)
    if not records.was_made(order):
        records.write_down("repository", {"url": order["url"], "time": records.now()})


def make_anew(order: dict[str, Any]) -> None:
    """Make the repository where there is none.

    `init` writes a key first and the config last. After one that was killed between them restic 0.18 refuses to go on,
    and 0.14 makes a second key and then tries the first one, to which the config does not belong.

    Raises:
        BackupError: a killed `init` left a key on the server, which is not ours to mend; or more than keys is there.
    """
    if not order["server"]:
        clear_half_made(order)
    elif NAME.search(connection.listed(*(f"{order['path']}/{folder}" for folder in ("keys", "snapshots")))):
        raise restic.half_made(order)
    restic.must(order, "init")
    print(f"made the repository {order['url']}")


def clear_half_made(order: dict[str, Any]) -> None:
    """Remove the keys that a killed `init` left in our own folder: nothing was encrypted with them yet.

    Raises:
        BackupError: there is more than keys.
    """
    keys = trees.files_below(f"{order['path']}/keys")
    if any(trees.files_below(f"{order['path']}/{folder}") for folder in ("data", "index", "snapshots")):
        raise restic.half_made(order)
    for each in keys:
        os.unlink(each)
    if keys:
        print(f"removed what a killed run left in {order['path']}/keys")


def init(order: dict[str, Any]) -> None:
    """Make the repository now; a server that is not ready for this host is waited for.

    Raises:
        BackupError: what is declared is wrong.
    """
    try:
        make_repository(order)
    except AwayError as error:
        print(error)


def check(order: dict[str, Any]) -> None:
    """Check the repository's structure, and read a part of its data: within some weeks all of it is read.

    Raises:
        BackupError: something is damaged.
    """
    part = datetime.datetime.now(datetime.UTC).isocalendar()[1] % PARTS + 1
    restic.must(order, "unlock")
    print(restic.must(order, "check", f"--read-data-subset={part}/{PARTS}").strip().splitlines()[-1])
