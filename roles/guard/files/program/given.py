"""Numbers of people's new accounts: none that somebody had here before, whose files may lie about."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
from itertools import count
from pathlib import Path

import login_defs
from host import GuardError, write_durably

RECORD = Path("/var/lib/holdfast/access/numbers.json")
HOMES = "/home"
SUBORDINATE = {"SUB_UID_": "/etc/subuid", "SUB_GID_": "/etc/subgid"}
BOUNDS = {"MIN": 100_000, "MAX": 600_100_000, "COUNT": 65_536}  # of each in login.defs(5)
NO_SUBORDINATE = ["--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"]
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


class Subordinate:
    """The subordinate numbers of users, or of groups, that useradd may give, and who has which."""

    def __init__(self, kind: str, path: str) -> None:
        """:param kind: how their bounds in login.defs begin."""
        said = login_defs.numbers({kind + what: value for what, value in BOUNDS.items()})
        self.first, self.last, self.number = (said[kind + what] for what in BOUNDS)
        self.path = path

    def ranges(self) -> list[tuple[int, int]]:
        """Return the first and the last number of each range that somebody has, sorted."""
        found = []
        with contextlib.suppress(OSError):
            for line in Path(self.path).read_bytes().split(b"\n"):
                words = line.split(b":")
                if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
                    found.append((int(words[1]), int(words[1]) + int(words[2]) - 1))
        return sorted(found)

    def highest(self) -> int:
        """Return the highest number that somebody has; 0 where there is none. A range that ends above is by hand."""
        return max((end for _, end in self.ranges() if end <= self.last), default=0)

    def has_room(self, first: int) -> bool:
        """Tell whether useradd finds enough free numbers from this one on.

        It looks as useradd does (`find_free_range` in lib/subordinateio.c of shadow): behind a range that begins within
        the bounds and ends above them, as LXD gives one to root, nothing is free.
        """
        free = max(first, self.first)
        for start, end in self.ranges():
            if min(start, self.last + 1) - free >= self.number:
                return True
            free = max(free, end + 1)
        return self.last - free + 1 >= self.number


def recorded() -> dict[str, int]:
    """Return the highest numbers that were ever seen here; 0 where no run has written one that can be read."""
    try:
        found = json.loads(RECORD.read_bytes())
    except (OSError, ValueError):
        found = None
    kept = {key: found.get(key) if isinstance(found, dict) else None for key in ("highest", "subordinate")}
    return {key: value if type(value) is int else 0 for key, value in kept.items()}


class Numbers:
    """The highest number that an account of a person, or its group, has had: one for both, and it never sinks.

    And the highest of the subordinate numbers, which useradd gives to each account for what it runs in containers.
    """

    def __init__(self, humans: range, *, check: bool) -> None:
        """:param check: write nothing."""
        self.humans = humans
        self.check = check
        self.kept = recorded()
        self.highest = max(self.kept["highest"], humans.start - 1, *(number for number in in_use() if number in humans))
        self.kinds = [Subordinate(kind, path) for kind, path in SUBORDINATE.items()]
        self.subordinates = self._highest_subordinate(self.kept["subordinate"])

    def keep(self) -> None:
        """Record the highest numbers, those that useradd has just given included."""
        self.subordinates = self._highest_subordinate(self.subordinates)
        now = {"highest": self.highest, "subordinate": self.subordinates}
        if self.check or self.kept == now:
            return
        RECORD.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(str(RECORD), (json.dumps(now) + "\n").encode())
        self.kept = now

    def _highest_subordinate(self, so_far: int) -> int:
        return max(so_far, *(kind.highest() for kind in self.kinds))

    def subordinate(self) -> list[str]:
        """Return how useradd is told to give subordinate numbers that nobody had, as long as there are any.

        Where none are left it is told nothing, and takes the first gap. Where there is no gap either it is told to give
        none: it would fail, and what an account lacks without them is containers of its own.
        """
        unused = max(self.subordinates + 1, *(kind.first for kind in self.kinds))
        if self.subordinates and all(kind.has_room(unused) for kind in self.kinds):
            return ["--key", f"SUB_UID_MIN={unused}", "--key", f"SUB_GID_MIN={unused}"]
        return [] if all(kind.has_room(kind.first) for kind in self.kinds) else NO_SUBORDINATE

    def take(self, name: str) -> int:
        """Return a number for a new account, and record it first: a run that is killed gives it to nobody else."""
        lying_about = left_behind()
        number = next(new for new in count(self.highest + 1) if new not in lying_about)
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
