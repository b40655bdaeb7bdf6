"""restic, with the exit codes and the questions that it does not ask itself."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, NoReturn

import connection
import locations
import records
from failures import AwayError, BackupError

# For what only reads: our own lock keeps our writers away, and what a killed one left in the repository hinders nobody.
# To ask whether a lock is stale, restic sends a SIGHUP to whatever process has that number by now: not as root.
UNLOCKED = "--no-lock"
MISSING = re.compile(r"repository does not exist|no such file or directory|file does not exist", re.IGNORECASE)
HALF_MADE = re.compile(r"repository already contains (keys|snapshots)")


def run(order: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run restic to its end."""
    command, environment = called(order, *arguments)
    return subprocess.run(
        command,
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip


def called(order: dict[str, Any], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """How restic is called, and its environment. Neither holds a secret."""
    own = os.path.isdir(locations.CACHE) and os.access(locations.CACHE, os.W_OK) and os.geteuid() != 0
    options = [f"--cache-dir={locations.CACHE}"] if own else ["--no-cache"]
    if order["server"]:
        options += ["-o", f"sftp.command={' '.join(connection.ssh())}"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": locations.CACHE if own else "/root",
        "TMPDIR": locations.CACHE if own else "/var/tmp",
        "RESTIC_REPOSITORY": order["url"],
        "RESTIC_PASSWORD_FILE": f"{locations.secrets()}/password",
    }
    return ["restic", *options, *arguments], environment


def must(order: dict[str, Any], *arguments: str) -> str:
    """Return restic's output.

    Raises:
        BackupError: it failed.
    """
    done = run(order, *arguments)
    if done.returncode:
        fail(order, done)
    return done.stdout


def fail(order: dict[str, Any], done: subprocess.CompletedProcess[str]) -> NoReturn:
    """Say why restic failed: see `judge`."""
    judge(
        order,
        (connection.shut_out() if order["server"] else "") or done.stderr.strip() or done.stdout.strip(),
        done.returncode,
    )


def judge(order: dict[str, Any], said: str, code: int) -> NoReturn:
    """Turn ssh's or restic's words and exit code into what a person has to do.

    Raises:
        AwayError: the server is not there, or does not know this host's key.
        BackupError: anything else.
    """
    last = "\n".join(said.splitlines()[-5:])
    if "wrong password or no key found" in said:
        raise BackupError(
            f"{order['url']} was made with another password than vault.backup.password: write the old one there. To "
            "change it, give the repository the new one first: docs/how-to/backup.md, Change the password",
            code,
        )
    if "Host key verification failed" in said:
        raise BackupError(
            f"the server shows another key than policy.backup.repository.host_key, so nothing was sent to it:\n{last}",
            code,
        )
    if order["server"] and connection.AWAY.search(said):
        raise AwayError(f"{last}\n{connection.invitation(order)}", code)
    if MISSING.search(said) and records.was_made(order):
        # Made anew it would hide the loss.
        raise BackupError(
            f"the repository {order['url']}, in use since {records.state('repository')['time']}, is gone; is its disk "
            f"mounted? To begin afresh, remove {locations.STATE}/repository.json\n{last}",
            code,
        )
    if HALF_MADE.search(said) and not records.was_made(order):
        raise half_made(order)
    raise BackupError(last, code)


def half_made(order: dict[str, Any]) -> BackupError:
    """Say what is to be done with a repository without a config file that is not ours to mend."""
    server = order["server"]
    place = f"{server['user']}@{server['name']}:{order['path']}" if server else order["path"]
    return BackupError(
        f"{place} has no config file, but other files of a repository. If they are in keys alone, a killed run left "
        f"them: remove {order['path']}, and run again. Otherwise its config is lost, and without it nothing in there "
        "can be read: bring it back from a copy, or move the folder away"
    )
