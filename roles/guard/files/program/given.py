"""Numbers of people's new accounts: none that somebody had here before, whose files may lie about."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
from pathlib import Path

from host import GuardError, write_durably

RECORD = Path("/var/lib/holdfast/access/numbers.json")
HOMES = "/home"
LEFT = ("/var/mail", "/var/tmp", "/tmp", "/var/spool/cron/crontabs", "/var/spool/cron/atjobs")


def names_in(folder: str) -> list[str]:
    """Return the names in a folder; none where it cannot be read."""
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def owners(folder: str) -> set[int]:
    """Return the numbers, of accounts and groups, that own what is in a folder."""
    found = set()
    for name in names_in(folder):
        with contextlib.suppress(OSError):
            status = os.lstat(f"{folder}/{name}")
            found |= {status.st_uid, status.st_gid}
    return found


def left_behind() -> set[int]:
    """Return the numbers that own what accounts leave. A home that was kept is root's, and what is in it is not."""
    homes = [f"{HOMES}/{name}" for name in names_in(HOMES)]
    return set().union(*(owners(folder) for folder in (HOMES, *homes, *LEFT)))


def in_use() -> set[int]:
    """Return the numbers of all accounts and groups."""
    of_accounts = {number for entry in pwd.getpwall() for number in (entry.pw_uid, entry.pw_gid)}
    return of_accounts | {entry.gr_gid for entry in grp.getgrall()}


def recorded() -> int | None:
    """Return the highest number that was ever seen here; None where no run has written one that can be read."""
    try:
        highest = json.loads(RECORD.read_bytes())["highest"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return highest if type(highest) is int else None


class Numbers:
    """The highest number that an account of a person, or its group, has had: one for both, and it never sinks."""

    def __init__(self, humans: range, *, check: bool) -> None:
        """:param check: write nothing."""
        self.humans = humans
        self.check = check
        self.kept = recorded()
        seen = in_use() | (left_behind() if self.kept is None else set())
        self.highest = max(self.kept or 0, humans.start - 1, *(number for number in seen if number in humans))

    def keep(self) -> None:
        """Record the highest number."""
        if self.check or self.kept == self.highest:
            return
        RECORD.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(str(RECORD), (json.dumps({"highest": self.highest}) + "\n").encode())
        self.kept = self.highest

    def take(self, name: str) -> int:
        """Return a number for a new account, and record it first: a run that is killed gives it to nobody else."""
        number = self.highest + 1
        if number not in self.humans:
            raise GuardError(
                f"the account {name} is to be created, and no number is left for it: people have had them up to "
                f"{self.highest} on this host ({RECORD}), and UID_MAX in /etc/login.defs is {self.humans.stop - 1}. "
                f"Raise UID_MAX, or create {name} by hand with a number that nobody had: "
                f"useradd --create-home --uid NUMBER --password '*' {name}"
            )
        self.highest = number
        self.keep()
        return number
