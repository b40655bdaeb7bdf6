"""Accounts of people: created before the guarded commit, the closed ones ended after it, each in one call."""

from __future__ import annotations

import contextlib
import datetime
import errno
import grp
import json
import os
import pwd
import re
import subprocess
from pathlib import Path
from typing import Any

from given import NO_SUBORDINATE, Numbers
from host import GuardError, write_durably
from left import OPEN_TO_ALL, jobs, remove_set_ids
from login_defs import human_uids
from running import end, lingers, numbers_of, processes

RECORD = Path("/var/lib/holdfast/access/created.json")
LONG_EXPIRED = "1"  # shadow(5) field 8 of an account that the guard has closed
OWN_SUDOERS = Path("/etc/sudoers.d/holdfast")
# Whatever login.defs says: the age of a password that does not exist would lock its account, keys and all.
NO_AGEING = ("--key", "PASS_MAX_DAYS=-1")
# How rename(2) refuses a mount point, and a folder that another layer of an overlay holds.
EMPTY = {"lost+found"}  # a new volume, or a folder that was made for the account
IN_ITS_PLACE = (errno.EBUSY, errno.EXDEV)


def primary_group(name: str) -> list[str]:
    """Return how useradd is told the primary group of a new account: one of its own.

    Not where a group of that name is the system's, such as docker or lxd, which gives rights to whoever is in it.
    """
    try:
        gid = grp.getgrnam(name).gr_gid
    except KeyError:
        return ["--user-group"]
    return ["--gid", name if gid in human_uids() else "users"]


def undeclared_names(passwd: str, shadow: str, declared: set[str], humans: range) -> dict[str, bool]:
    """Return the accounts that nobody declares, and whether each is closed (locked and expired).

    :param passwd: text of /etc/passwd.
    :param shadow: text of /etc/shadow.
    :param declared: names that are declared or kept.
    :param humans: the uids of people.
    """
    # By the line's end alone: who changes the name or the room of an account could put another kind of break there.
    fields = {line.split(":", 1)[0]: line.split(":") for line in shadow.split("\n") if line.count(":") >= 7}
    found = {}
    for line in passwd.split("\n"):
        entry = line.split(":")
        if len(entry) < 7 or not entry[2].isdigit():  # `+::::::`, say
            continue
        if entry[0] in declared or int(entry[2]) not in humans or entry[0] not in fields:
            continue
        state = fields[entry[0]]
        found[entry[0]] = state[1].startswith(("!", "*")) and state[7] == LONG_EXPIRED
    return dict(sorted(found.items()))


def granting_rules(text: str) -> list[int]:
    """Return the numbers of the lines in a sudoers file that give a right to others than root and sudo."""
    found = []
    joined = ""
    start = 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start if joined else number
        if raw.endswith("\\"):
            joined += raw[:-1] + " "
            continue
        line, joined = (joined + raw).strip(), ""
        if not line or re.match(r"(#|@include|Defaults|(?:User|Runas|Host|Cmnd|Cmd)_Alias)", line):
            continue
        if "=" in line and not re.match(r"(root|%sudo)\s+ALL\s*=\s*\(ALL(\s*:\s*ALL)?\)\s*ALL$", line):
            found.append(start)
    return found


def foreign_sudo() -> list[str]:
    """Return ``file:line: rule`` of every sudo rule that is not ours."""
    found = []
    for path in [Path("/etc/sudoers"), *sorted(Path("/etc/sudoers.d").glob("*"))]:
        if path == OWN_SUDOERS or "." in path.name or path.name.endswith("~"):  # sudo skips such names itself
            continue
        with contextlib.suppress(OSError), path.open(errors="replace") as handle:
            text = handle.read()
            lines = text.splitlines()
            found += [f"{path}:{number}: {lines[number - 1].strip()}" for number in granting_rules(text)]
    return found


def read(path: Path) -> str:
    """Return the text of a file with the ends of its lines as they are, empty when it is not there."""
    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""


class Work:
    """What a call does, or would do."""

    def __init__(self, *, check: bool) -> None:
        """:param check: change nothing."""
        self.check = check
        self.did: list[str] = []
        self.created: set[str] = set()
        self.numbers = Numbers(human_uids(), check=check)
        with contextlib.suppress(ValueError, TypeError):
            self.created = set(json.loads(read(RECORD) or "[]"))

    def run(self, *command: str, ok: tuple[int, ...] = (0,)) -> None:
        """Run a command, unless in check mode; fail the module when it does."""
        if self.check:
            return
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode not in ok:
            raise GuardError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")

    def record(self) -> None:
        """Keep the names of the accounts that were created here."""
        text = json.dumps(sorted(self.created)) + "\n"
        if self.check or read(RECORD) == text:
            return
        RECORD.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(str(RECORD), text.encode())

    def present(self, groups: list[str], accounts: list[dict[str, str]]) -> None:
        """Create what is missing."""
        known = {entry.gr_name for entry in grp.getgrall()}
        for group in groups:
            if group not in known:
                self.did.append(f"create the group {group}")
                self.run("groupadd", "--system", group)
        for account in accounts:
            name = account["name"]
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                self.did.append(f"create the account {name}")
                refuse_home(name)
                number = self.numbers.take(name)
                self.created.add(name)
                self.record()  # first: a run that is killed between the two leaves nothing that nobody deletes
                # Its own group gets the same number or, where somebody took that meanwhile, none.
                exact = ("--uid", str(number), "--key", f"GID_MIN={number}", "--key", f"GID_MAX={number}")
                subordinate = self.numbers.subordinate()
                if subordinate == NO_SUBORDINATE:
                    self.did.append(f"give {name} no subordinate numbers: there is no room for them on this host")
                own = (
                    *exact,
                    *subordinate,
                    *primary_group(name),
                    "--shell",
                    account["shell"],
                    "--password",
                    "*",
                )
                self.run("useradd", "--create-home", *NO_AGEING, *own, name)
                if not self.check:
                    made = pwd.getpwnam(name)
                    Path(made.pw_dir).chmod(0o700)
                    if os.stat(made.pw_dir).st_uid != made.pw_uid:  # an empty one that was there: useradd leaves it
                        os.chown(made.pw_dir, made.pw_uid, made.pw_gid)
                    # After the home, to which no later run comes back. One that is killed here has it in the files of
                    # subordinate numbers, from which the next run takes it.
                    self.numbers.keep()
                continue
            if entry.pw_uid not in human_uids():
                raise GuardError(
                    f"{name} is declared as a person, and is an account of the system on this host "
                    f"(uid {entry.pw_uid}); choose another name"
                )

    def closed(self, names: list[str], ours: set[str]) -> None:
        """End the accounts, and delete those of them that are ours to delete. One that cannot be keeps no other."""
        problems = []
        for name in names:
            try:
                self.end_sessions(name)
                self.drop_jobs(name)
                if name in ours:
                    self.delete(name)
            except (GuardError, OSError) as error:
                problems.append(str(error))
        if problems:
            raise GuardError("; ".join(problems), did=() if self.check else self.did)

    def end_sessions(self, name: str) -> None:
        """End all that runs as the account, now and after a boot."""
        account = pwd.getpwnam(name)
        if lingers(name):
            self.did.append(f"let nothing of {name} run without a login")
        if processes(account):
            self.did.append(f"end the sessions of {name}")
        if not self.check:
            end(account)

    def drop_jobs(self, name: str) -> None:
        """Remove what cron and at would run in the name of the account."""
        for words, paths in jobs(name, pwd.getpwnam(name).pw_uid).items():
            self.did.append(f"remove {words} of {name}")
            for path in paths if not self.check else ():
                path.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Keep the home directory and delete the account."""
        account = pwd.getpwnam(name)
        home = Path(account.pw_dir)
        if found := remove_set_ids(numbers_of(account), check=self.check):
            self.did.append(f"remove {found} set-uid or set-gid files of {name} in {', '.join(OPEN_TO_ALL)}")
        self.did.append(f"delete the account {name}")
        if home.is_dir() and not home.is_symlink() and home.parent == Path("/home"):
            self.keep(home)
        self.run("userdel", "--force", name, ok=(0, 6, 12))
        self.created.discard(name)
        self.record()

    def keep(self, home: Path) -> None:
        """Keep a home directory for root only: moved aside, or in its place where a file system is mounted in it."""
        number, target = 1, Path(f"{home}.closed-{datetime.datetime.now(datetime.UTC).date().isoformat()}")
        first = target
        while target.exists():
            number += 1
            target = Path(f"{first}.{number}")
        if not self.check:
            try:
                os.chown(home, 0, 0)
                home.chmod(0o700)
                home.rename(target)
            except OSError as error:
                if error.errno not in IN_ITS_PLACE:
                    self.did.append(f"leave its home directory {home} as it is: {error.strerror}")
                    return
                target = home
        self.did.append(f"keep its home directory as {target}, for root only")


def refuse_home(name: str) -> None:
    """Refuse a new account whose home directory was another's of that name: whose files they are is unknown.

    The account gets a number that nobody had, so that they could not be its own.
    """
    home = Path("/home") / name
    if home.is_dir() and set(os.listdir(home)) - EMPTY:
        number = home.stat().st_uid
        owner = "root" if number == 0 else f"number {number}"
        raise GuardError(
            f"the account {name} is to be created, and {home} is there and belongs to {owner}, as what another of that "
            "name left: move it away or unmount it first"
        )


def lives(name: str) -> bool:
    """Tell whether something of an account runs, or would run by itself."""
    account = pwd.getpwnam(name)
    return bool(lingers(name) or jobs(name, account.pw_uid) or processes(account))


def people(order: dict[str, Any]) -> dict[str, Any]:
    """Create what is missing, or end who is closed; the answer names who is undeclared."""
    work = Work(check=order["check_mode"])
    declared = {account["name"] for account in order["accounts"]} | set(order["keep"])
    undeclared = undeclared_names(read(Path("/etc/passwd")), read(Path("/etc/shadow")), declared, human_uids())
    work.numbers.keep()  # whoever made these accounts: one that is deleted by hand has had its number, too
    # An account that is closed and of which nothing lives, but is not ours to delete, waits for nothing.
    ours = (work.created | {order["first_user"]}) - set(order["ended"])
    waiting = [name for name, is_closed in undeclared.items() if not is_closed or name in ours or lives(name)]
    names = [name for name in waiting if undeclared[name]]
    answer: dict[str, Any] = {"undeclared": waiting}
    if order["state"] == "present":
        work.present(order["groups"], order["accounts"])
        answer["foreign_sudo"] = foreign_sudo()
    elif order["present_user"] in names:
        raise GuardError(
            f"{order['present_user']} is the account of this very session, and is closed: "
            "log in as a declared admin first"
        )
    else:
        work.closed(names, ours)
        answer["undeclared"] = [name for name in waiting if name not in names]
    return {**answer, "changed": bool(work.did), "would" if work.check else "did": work.did}
