"""restic by hand: as root, on the repository of the backups."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import restic
from failures import BackupError

# What is not done by hand, and the unit that does it as the account of the backups, whose locks and files these are.
BY_UNITS = {"unlock": "holdfast-backup-check.service", "init": "holdfast-backup-init.service"}
# restic's options for all verbs that have a value, which is the next word where there is no `=`.
WITH_VALUE = {
    "--cacert", "--cache-dir", "--compression", "--http-user-agent", "--key-hint", "--limit-download", "--limit-upload",
    "-o", "--option", "--pack-size", "-p", "--password-file", "--password-command", "-r", "--repo", "--repository-file",
    "--retry-lock", "--stuck-request-timeout", "--tls-client-cert",
}  # fmt: skip


def run(order: dict[str, Any], arguments: list[str]) -> int:
    """Run restic as the backups do, as root and with the terminal; return its exit code.

    Of a repository on this host, what it has written is handed to the account of the backups.

    Raises:
        BackupError: the units of the backups do that, with the rights that it takes and no more.
    """
    verb = verb_of(arguments)
    if verb in BY_UNITS:
        raise BackupError(f"not as root: `systemctl start {BY_UNITS[verb]}` does what `restic {verb}` is for")
    command, environment = restic.called(order, *arguments)
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        if not order["server"]:
            hand_over(order["path"])


def verb_of(arguments: list[str]) -> str:
    """Return which of restic's words is the verb: the first that is neither an option nor the value of one."""
    words = iter(arguments)
    for word in words:
        if word == "--":  # what follows is no verb for restic either
            break
        if not word.startswith("-"):
            return word
        if word in WITH_VALUE:
            next(words, None)
    return ""


def hand_over(repository: str) -> None:
    """Give all that is in a repository to the account that owns it."""
    owner = os.stat(repository)
    for _, folders, names, handle in os.fwalk(repository):  # goes through no link, whoever lays it meanwhile
        for name in (*folders, *names):
            if os.lstat(name, dir_fd=handle).st_uid != owner.st_uid:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=handle, follow_symlinks=False)
