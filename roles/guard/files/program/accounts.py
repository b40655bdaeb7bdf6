"""Accounts of a commit: the four databases are rewritten as whole files, and put back the same way.

What somebody else changed in them while the guard was armed stays: then only the touched lines go back.
Access that this commit ends (an account that nobody declares, a right that was taken, an empty password) is final: the
version that a revert brings back already lacks it. The account of the session that runs the commit is never among the
final ones.
"""

from __future__ import annotations

import ctypes
import datetime
import os
import stat
from typing import Any

import files
from host import GuardError, sync_directory, unlink
from login_defs import human_uids

DATABASES = ("passwd", "shadow", "group", "gshadow")
ROOM_SPARE = 8192
LOCKED = ("!", "*")
LONG_EXPIRED = "1"  # the second day of 1970: what `usermod --expiredate 1` writes
SHADOW_FIELDS = 9
CHANGE_DUE = "0"  # shadow(5) field 3: the password has to be changed at the next login
# Each opens a door, and holdfast alone says who is in it.
OWN_GROUPS = ("holdfast-ssh", "holdfast-admin", "holdfast-nopasswd")
# base-passwd's: in these a primary number gives nothing that others lack.
HARMLESS_GROUPS = ("users", "nogroup")
Database = dict[str, list[str]]


def path_of(name: str) -> str:
    """Path of an account database."""
    return f"/etc/{name}"


def parse(text: str) -> Database:
    """Fields of each line by name, in file order."""
    return {line.split(":", 1)[0]: line.split(":") for line in text.split("\n") if line}


def encoded(text: str) -> bytes:
    """The bytes of a database as they were read."""
    return text.encode(errors="surrogateescape")


def render(database: Database) -> str:
    """The text of a database."""
    return "".join(":".join(fields) + "\n" for fields in database.values())


def load() -> dict[str, str]:
    """The text of every database that is there (gshadow may be absent)."""
    texts = {}
    for name in DATABASES:
        data = files.read(path_of(name))
        if data is not None:
            texts[name] = data.decode(errors="surrogateescape")  # a name with an umlaut of another age, say
    return texts


def day_number(day: datetime.date) -> int:
    """A day as shadow(5) counts them, from 1970-01-01."""
    return (day - datetime.date(1970, 1, 1)).days


def expiry_field(last_day: str | None) -> str:
    """shadow(5) field 8: the first day on which the account is closed; empty for never."""
    return str(day_number(datetime.date.fromisoformat(last_day)) + 1) if last_day else ""


def ageless(shadow: list[str]) -> list[str]:
    """The line of an account whose password never has to be changed: that would shut out whoever logs in by key."""
    today = str(day_number(datetime.datetime.now(datetime.UTC).date()))
    changed = today if shadow[2] == CHANGE_DUE else shadow[2]
    return [*shadow[:2], changed, shadow[3], "", shadow[5], "", *shadow[7:]]


def number_of(fields: list[str]) -> int | None:
    """The number of an account or a group; None for a line of another kind, such as `+::::::`."""
    return int(fields[2]) if len(fields) > 3 and fields[2].isdigit() else None


def members_of(group: list[str]) -> list[str]:
    """The members that a line of group or gshadow lists."""
    return [name for name in "".join(group[3:4]).split(",") if name]


def is_closed(shadow: list[str]) -> bool:
    """Locked and expired."""
    return shadow[1].startswith(LOCKED) and shadow[7] == LONG_EXPIRED


class Plan:
    """What a commit would change in the account databases."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Compare the declared accounts with the host's."""
        self.says: list[str] = []
        self.closed: list[str] = []
        self.missing: list[str] = []
        self._lost: set[tuple[str, str]] = set()  # (group, member) that this commit ends
        self._moved: set[str] = set()  # accounts whose primary group this commit ends
        self._present = order["login_as"]
        self.before = load()
        self._new = {name: parse(text) for name, text in self.before.items()}
        if order["accounts"] is not None:
            self._declare(order)
            self._clear_own_groups(order)
            self._close_others(order)
            self._lock_root()
            self._shut_empty(order)
        self.after = {name: render(fields) for name, fields in self._new.items()}
        self.changed = [name for name in self.before if self.after[name] != self.before[name]]

    def _declare(self, order: dict[str, Any]) -> None:
        opening = self._opening_gids()
        for account in order["accounts"]:
            name = account["name"]
            if name not in self._new["passwd"]:
                self.missing.append(name)
                continue
            passwd, shadow = self._new["passwd"][name], self._shadow(name)
            if passwd[6] != account["shell"]:
                self.says.append(f"give {name} the shell {account['shell']}")
                passwd[6] = account["shell"]
            if shadow[1] != account["password"]:
                self.says.append(
                    f"set the password of {name}" if account["password"] != "*" else f"lock {name}'s password"
                )
                shadow[1] = account["password"]
            if shadow[7] != expiry_field(account["expires"]):
                self.says.append(f"let {name}'s account end after {account['expires'] or 'no day'}")
                shadow[7] = expiry_field(account["expires"])
            if shadow != ageless(shadow):
                self.says.append(f"let {name}'s password never be due for a change")
                shadow[:] = ageless(shadow)
            self._memberships(name, set(account["groups"]))
            self._primary(name, opening)

    def _shadow(self, name: str) -> list[str]:
        """The line of shadow of an account that has one, in full length."""
        line = self._new["shadow"].get(name)
        if line is None:
            raise GuardError(f"nothing was changed: {name} has no line in /etc/shadow; `pwconv` on the host writes it")
        line += [""] * (SHADOW_FIELDS - len(line))
        return line

    def _memberships(self, name: str, wanted: set[str]) -> None:
        for group in sorted(wanted - set(self._new["group"])):
            self.missing.append(f"group {group}")
        for group, line in self._new["group"].items():
            is_member = name in members_of(line)
            if group in wanted and not is_member:
                self.says.append(f"add {name} to {group}")
                self._set_member(name, group, belongs=True)
            elif is_member and group not in wanted:
                self._take_out(name, group)

    def _opening_gids(self) -> dict[str, str]:
        """Groups by number whose members may do what others may not: the system's, as against people's own."""
        humans = human_uids()
        return {
            str(number): group
            for group, fields in self._new["group"].items()
            if (number := number_of(fields)) is not None and number not in humans and group not in HARMLESS_GROUPS
        }

    def _primary(self, name: str, opening: dict[str, str]) -> None:
        """Take an account out of a group in which it is by its primary number, which no list of members shows."""
        passwd, groups = self._new["passwd"][name], self._new["group"]
        if number_of(passwd) is None or passwd[3] not in opening:
            return
        # One of the account's own name may be the system's, as docker is.
        own = next(
            (group for group in (name, *HARMLESS_GROUPS) if group in groups and groups[group][2] not in opening), None
        )
        if own:
            self.says.append(f"give {name} the primary group {own} instead of {opening[passwd[3]]}")
            passwd[3] = groups[own][2]
            self._moved.add(name)

    def _clear_own_groups(self, order: dict[str, Any]) -> None:
        """Leave only declared accounts in them: whoever else is a member (www-data, a kept one) would become root.

        Nor may anybody join them with a password, or put others in as their administrator.
        """
        declared = {account["name"] for account in order["accounts"]}
        for group in OWN_GROUPS:
            line = self._new["group"].get(group)
            for name in sorted(set(members_of(line)) - declared) if line else ():
                self._take_out(name, group)
            secret = self._new.get("gshadow", {}).get(group)
            if secret and not (secret[1].startswith(LOCKED) and secret[2] == ""):
                self.says.append(f"let nobody join {group} by a password or administer it")
                secret[1:3] = ["!", ""]
        opening = {gid: group for gid, group in self._opening_gids().items() if group in OWN_GROUPS}
        for name in self._new["passwd"]:
            self._primary(name, opening)

    def _take_out(self, name: str, group: str) -> None:
        self.says.append(f"take {name} out of {group}")
        self._lost.add((group, name))
        self._set_member(name, group, belongs=False)

    def _set_member(self, name: str, group: str, *, belongs: bool) -> None:
        for database in ("group", "gshadow"):
            fields = self._new.get(database, {}).get(group)
            if fields:
                rest = [member for member in members_of(fields) if member != name]
                fields[3] = ",".join([*rest, name] if belongs else rest)

    def _close_others(self, order: dict[str, Any]) -> None:
        kept = {a["name"] for a in order["accounts"]} | set(order["keep"])
        humans = human_uids()
        for name, fields in self._new["passwd"].items():
            if number_of(fields) not in humans or name in kept:
                continue
            shadow = self._new["shadow"].get(name) and self._shadow(name)
            if shadow and not is_closed(shadow):
                self.says.append(f"close the account {name}, which nobody declares")
                if not shadow[1].startswith(LOCKED):
                    shadow[1] = "!" + shadow[1]
                shadow[7] = LONG_EXPIRED
                self.closed.append(name)

    def _lock_root(self) -> None:
        shadow = self._shadow("root")
        if not shadow[1].startswith(LOCKED):
            self.says.append("lock root's password")
            shadow[1] = "*"

    def _shut_empty(self, order: dict[str, Any]) -> None:
        """Leave no account without a password to be asked for, kept ones and the system's included.

        What is in passwd counts before what is in shadow, where people's are declared, closed or locked.
        """
        humans, keep = human_uids(), set(order["keep"])
        judged = {"root", *(account["name"] for account in order["accounts"])}
        for name, fields in self._new["passwd"].items():
            number, shadow = number_of(fields), self._new["shadow"].get(name)
            if number is None:
                continue
            ours = name in judged or (number in humans and name not in keep)
            if fields[1] == "" or (ours and fields[1] != "x"):
                self.says.append(f"let what /etc/passwd has for {name}'s password count no more")
                fields[1] = "x" if shadow else "*"
            if shadow and shadow[1:2] == [""]:
                self.says.append(f"lock {name}'s password, which is empty")
                shadow[1] = "*"

    def _stays_shut(self, name: str) -> set[str]:
        """Accounts whose password, in this database, is as the commit has left it also after a revert."""
        empty = {account for account, fields in parse(self.before[name]).items() if fields[1:2] == [""]}
        return {account for account in {*empty, *self.closed} if account in self._new[name]} - {self._present}

    def to_restore(self, name: str) -> str:
        """Text of a database as a revert may bring it back: as before, less what is final."""
        database = parse(self.before[name])
        for account in self._stays_shut(name) if name in ("passwd", "shadow") else ():
            database[account][1:2] = self._new[name][account][1:2]
        if name == "shadow":
            for account in self.closed:
                if account != self._present:
                    database[account] = self._new["shadow"][account]
        elif name in ("group", "gshadow"):
            for group, member in self._lost:
                if member != self._present and group in database:
                    fields = database[group]
                    fields[3] = ",".join(m for m in members_of(fields) if m != member)
            for group in OWN_GROUPS if name == "gshadow" else ():
                if group in database:
                    database[group][1:3] = self._new[name][group][1:3]
        elif name == "passwd":
            for account in self._moved - {self._present}:
                database[account][3] = self._new["passwd"][account][3]
        return render(database)

    def stage(self) -> dict[str, Any]:
        """Write new files, twins and spare room before anything is armed; return what the state must remember."""
        saved: dict[str, Any] = {}
        for name in self.changed:
            path = path_of(name)
            old = os.lstat(path)
            back = self.to_restore(name)
            room = f"/etc/.{name}{files.ROOM}"
            files.write_fresh(
                files.fresh_of(path), encoded(self.after[name]), old.st_uid, old.st_gid, stat.S_IMODE(old.st_mode)
            )
            files.write_fresh(
                room, bytes(len(encoded(back)) + ROOM_SPARE), old.st_uid, old.st_gid, stat.S_IMODE(old.st_mode)
            )
            files.save_twin(path, None if back == self.before[name] else encoded(back))
            touched = [n for n, f in parse(back).items() if f != self._new[name].get(n)]
            saved[name] = {
                "after": files.digest(encoded(self.after[name])),
                "lines": {n: parse(back)[n] for n in touched},
            }
        return saved

    def swap(self) -> None:
        """Bring the new databases in, unless somebody changed them since they were read."""
        if not self.changed:
            return
        with databases_locked():
            now = load()
            for name in self.changed:
                if now[name] != self.before[name]:
                    raise GuardError(f"/etc/{name} was changed by somebody else during the commit; run again")
            for name in self.changed:
                os.rename(files.fresh_of(path_of(name)), path_of(name))
            sync_directory("/etc")


class databases_locked:  # noqa: N801 (a context manager, used like a function)
    """The lock that passwd, useradd and the like take: lckpwdf(3), which waits up to 15 s for another holder."""

    def __enter__(self) -> None:
        """Take the lock."""
        self._libc = ctypes.CDLL(None)
        if self._libc.lckpwdf():
            raise GuardError("the account databases are locked by another program (lckpwdf)")

    def __exit__(self, *_: object) -> None:
        """Free it."""
        self._libc.ulckpwdf()


def restore(saved: dict[str, Any]) -> list[str]:
    """Put the databases back; may be repeated. Return the problems met."""
    if not saved:
        return []
    try:
        with databases_locked():
            for name, memory in saved.items():
                _restore_one(name, memory)
            sync_directory("/etc")
    except (OSError, GuardError) as error:
        return [f"accounts: {error}"]
    return []


def _restore_one(name: str, memory: dict[str, Any]) -> None:
    path, twin = path_of(name), files.twin_of(path_of(name))
    unlink(files.fresh_of(path))
    room = f"/etc/.{name}{files.ROOM}"
    if not os.path.lexists(twin):
        unlink(room)
        return  # an earlier try did it
    now = files.read(path) or b""
    if os.path.samestat(os.lstat(twin), os.lstat(path)):
        os.unlink(twin)  # never swapped
    elif files.digest(now) == memory["after"]:
        os.rename(twin, path)
    else:
        database = parse(now.decode(errors="surrogateescape"))
        merged = {n: memory["lines"].get(n, fields) for n, fields in database.items()}
        _overwrite(room, encoded(render(merged)))
        os.rename(room, path)
        os.unlink(twin)
    unlink(room)


def _overwrite(path: str, data: bytes) -> None:
    """Fill a file whose blocks were taken beforehand, so that a full disk cannot refuse."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def drop_twins(saved: dict[str, Any]) -> None:
    """Forget the old databases after a confirm."""
    for name in saved:
        unlink(files.twin_of(path_of(name)))
        unlink(f"/etc/.{name}{files.ROOM}")
