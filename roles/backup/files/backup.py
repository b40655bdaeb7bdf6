#!/usr/bin/python3 -I
"""The backups of this host: restic with the exit codes and the questions that it does not ask itself.

In the sandbox of its units, as holdfast-backup: `backup`, `check`, `init`. As root: `hold` mounts what the sandbox is
to see, `start VERB` starts such a unit and tells how it went, `restore` brings files back, `key` makes the key for the
server, `tell` tells its public half and where older backups are, `restic` runs restic by hand on the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import datetime
import fcntl
import hashlib
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = "/etc/holdfast/backup"
SECRETS = "/etc/holdfast/secrets/holdfast-backup"
STATE = "/var/lib/holdfast/backup"
CACHE = "/var/cache/holdfast-backup"
LOCK = "/run/holdfast/locks/backup"
HELD = "/run/holdfast/backup"  # what is backed up, as the sandbox is to see it, under names of `held`
REFUSED = f"{HELD}/refused.json"  # and what of it is not there, with the reason
SOURCES_UNIT = "holdfast-backup-sources.service"
UNITS = {
    name: f"holdfast-backup{suffix}.service"
    for name, suffix in (("backup", ""), ("check", "-check"), ("init", "-init"))
}
INCOMPLETE = 3  # restic's exit code when something could not be read
PARTS = 12  # of the repository's data one is read each week
SHOWN = 20
# For what only reads: our own lock keeps our writers away, and what a killed one left in the repository hinders nobody.
# To ask whether a lock is stale, restic sends a SIGHUP to whatever process has that number by now: not as root.
UNLOCKED = "--no-lock"
# What is not done by hand, and the unit that does it as the account of the backups, whose locks and files these are.
BY_UNITS = {"unlock": "holdfast-backup-check.service", "init": "holdfast-backup-init.service"}
# restic's options for all verbs that have a value, which is the next word where there is no `=`.
WITH_VALUE = {
    "--cacert", "--cache-dir", "--compression", "--http-user-agent", "--key-hint", "--limit-download", "--limit-upload",
    "-o", "--option", "--pack-size", "-p", "--password-file", "--password-command", "-r", "--repo", "--repository-file",
    "--retry-lock", "--stuck-request-timeout", "--tls-client-cert",
}  # fmt: skip
# ssh's words for a server that is not there, or does not know this host yet: nothing that is declared is wrong.
STRANGER = r"Permission denied \("
AWAY = re.compile(
    rf"{STRANGER}|Connection (refused|timed out|reset|closed)|Could not resolve|No route to host|unreachable"
)
SSH_FAILED = 255  # ssh(1): it ended with an error of its own
MISSING = re.compile(r"repository does not exist|no such file or directory|file does not exist", re.IGNORECASE)
HALF_MADE = re.compile(r"repository already contains (keys|snapshots)")
NAME = re.compile(r"\b[0-9a-f]{64}\b")  # of a file in a repository
# Of so many of the last days with a backup one stays, whatever its age: as many as the default keeps in good times.
DAYS = 14
GAP = 32  # days without a backup that are no schedule any more, were it a monthly one
# Of mount(2), open_tree(2), mount_setattr(2), move_mount(2) and statvfs(3): Python has no names for these.
MS_BIND, MS_PRIVATE, MS_SHARED, MNT_DETACH = 0x1000, 0x40000, 0x100000, 2
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = 1, 4, -100, 0x1000, 0x8000
RDONLY, NOSUID, NODEV, NOEXEC, NOSYMFOLLOW = 1, 2, 4, 8, 0x200000  # MOUNT_ATTR_…
ST_NOSYMFOLLOW = 0x2000
UNKNOWN = "\ufffd"  # stands in restic's words for each byte of a name that is not UTF-8


class BackupError(Exception):
    """What went wrong, for people; the exit code for systemd."""

    def __init__(self, text: str, code: int = 1) -> None:
        """Keep both."""
        super().__init__(text)
        self.code = code


class AwayError(BackupError):
    """The server cannot be entered yet."""


def read(path: str, fix: str) -> dict[str, Any]:
    """Return what one of our own files holds.

    Raises:
        BackupError: it cannot be read, or is damaged; with what to do then.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, Any] = json.load(handle)
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}\n{fix}") from error
    return found


def put(path: str, text: str) -> None:
    """Write a file that everybody may read; neither readers nor a power loss ever see half of it.

    Raises:
        BackupError: it could not be written.
    """
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fsync(handle.fileno())
        os.rename(f"{path}.new", path)
    except OSError as error:
        raise BackupError(f"{path} could not be written: {error.strerror}") from error


def parsed(text: str) -> Any:
    """Return what restic says in JSON.

    Raises:
        BackupError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise BackupError(f"restic's answer is no JSON ({error}): {plain(text[:200])}") from error


def each_parsed(text: str) -> list[dict[str, Any]]:
    """Return what restic says in JSON, one thing a line. `splitlines` would end a line within a name, too."""
    return [parsed(line) for line in text.split("\n") if line]


def plain(text: str) -> str:
    """Text for people, with what cannot be printed written out: whoever can name a file could steer a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def orders() -> dict[str, Any]:
    """What the inventory declares for this host."""
    return read(f"{FOLDER}/orders.json", "playbooks/site.yml writes it anew")


def state(name: str) -> dict[str, Any]:
    """What an earlier run wrote down; nothing where none did."""
    path = f"{STATE}/{name}.json"
    return read(path, "remove it, if the repository is where it should be") if os.path.exists(path) else {}


def write_down(name: str, content: dict[str, Any]) -> None:
    """Keep something for later runs and for those who look."""
    put(f"{STATE}/{name}.json", json.dumps(content))


def was_made(order: dict[str, Any]) -> bool:
    """Tell whether the declared repository has been opened from here before."""
    return bool(state("repository").get("url") == order["url"])


def elsewhere(order: dict[str, Any]) -> str:
    """Say that the backups so far are not where they are declared to go; nothing where they are, or there are none."""
    found = state("repository")
    if not found or was_made(order):
        return ""
    return (
        f"the backups of this host since {found['time']} are in {found['url']}, and {order['url']} is declared now. "
        f"Move that folder there, and run again; to leave it behind and begin afresh, remove {STATE}/repository.json"
    )


def now() -> str:
    """The time, UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of this host's backups; what restarts things waits for it."""
    with open(LOCK, encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another backup, check or restore to end", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def secrets() -> str:
    """Where the secrets lie: handed over by systemd, or for root alone."""
    return os.environ.get("CREDENTIALS_DIRECTORY", SECRETS)


def login() -> list[str]:
    """Options of ssh and sftp for the server, which ssh's configuration names `repository`."""
    return ["-F", f"{FOLDER}/ssh_config", "-i", f"{secrets()}/id_ed25519"]


def ssh() -> list[str]:
    """How the server is reached."""
    return ["ssh", *login(), "repository", "-s", "sftp"]


def shut_out() -> str:
    """Why ssh cannot enter the server; nothing when it can. restic often ends before it has passed on ssh's words."""
    done = subprocess.run(
        ssh(), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    return done.stderr.strip() if done.returncode else ""


def restic(order: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run restic to its end."""
    command, environment = called(order, *arguments)
    return subprocess.run(
        command,
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip


def called(order: dict[str, Any], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """How restic is called, and its environment. Neither holds a secret."""
    own = os.path.isdir(CACHE) and os.access(CACHE, os.W_OK) and os.geteuid() != 0
    options = [f"--cache-dir={CACHE}"] if own else ["--no-cache"]
    if order["server"]:
        options += ["-o", f"sftp.command={' '.join(ssh())}"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": CACHE if own else "/root",
        "TMPDIR": CACHE if own else "/var/tmp",
        "RESTIC_REPOSITORY": order["url"],
        "RESTIC_PASSWORD_FILE": f"{secrets()}/password",
    }
    return ["restic", *options, *arguments], environment


def fail(order: dict[str, Any], done: subprocess.CompletedProcess[str]) -> NoReturn:
    """Say why restic failed: see `judge`."""
    judge(order, (shut_out() if order["server"] else "") or done.stderr.strip() or done.stdout.strip(), done.returncode)


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
    if order["server"] and AWAY.search(said):
        raise AwayError(f"{last}\n{invitation(order)}", code)
    if MISSING.search(said) and was_made(order):
        # Made anew it would hide the loss.
        raise BackupError(
            f"the repository {order['url']}, in use since {state('repository')['time']}, is gone; is its disk mounted? "
            f"To begin afresh, remove {STATE}/repository.json\n{last}",
            code,
        )
    if HALF_MADE.search(said) and not was_made(order):
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


def must(order: dict[str, Any], *arguments: str) -> str:
    """Return restic's output.

    Raises:
        BackupError: it failed.
    """
    done = restic(order, *arguments)
    if done.returncode:
        fail(order, done)
    return done.stdout


def invitation(order: dict[str, Any]) -> str:
    """What the server's owner has to do. The line is the controller's: whoever has this host could leave words out."""
    server = order["server"]
    return (
        f"If {server['name']} does not know this host yet, add the line that site.yml and backup.yml show to the "
        f"authorized_keys of {server['user']} there, and run playbooks/backup.yml"
    )


# --- in the sandbox -------------------------------------------------------------------------------------------------


def make_repository(order: dict[str, Any]) -> None:
    """Open the repository, or make it, once.

    Raises:
        BackupError: it cannot be reached, has another password, was there before and is gone, or the backups so far
            are elsewhere: a new one in its place would hide them.
    """
    # One refused login, not restic's as well: a server that throttles would refuse the good ones after them too.
    if order["server"] and (words := shut_out()):
        judge(order, words, SSH_FAILED)
    found = restic(order, UNLOCKED, "cat", "config")
    if found.returncode:
        if not MISSING.search(found.stderr) or was_made(order):
            fail(order, found)
        if words := elsewhere(order):
            raise BackupError(f"no new repository was made: {words}")
        make_anew(order)
    if not was_made(order):
        write_down("repository", {"url": order["url"], "time": now()})


def make_anew(order: dict[str, Any]) -> None:
    """Make the repository where there is none.

    `init` writes a key first and the config last. After one that was killed between them restic 0.18 refuses to go on,
    and 0.14 makes a second key and then tries the first one, to which the config does not belong.

    Raises:
        BackupError: a killed `init` left a key on the server, which is not ours to mend; or more than keys is there.
    """
    if not order["server"]:
        clear_half_made(order)
    elif NAME.search(listed(*(f"{order['path']}/{folder}" for folder in ("keys", "snapshots")))):
        raise half_made(order)
    must(order, "init")
    print(f"made the repository {order['url']}")


def listed(*folders: str) -> str:
    """What the server says is in these folders; nothing where they are not there."""
    asked = "".join(f"-ls -1 {folder}\n" for folder in folders)  # the dash: go on with the next one all the same
    return subprocess.run(
        ["sftp", "-b", "-", *login(), "repository"],
        input=asked, capture_output=True, text=True, errors="replace", check=False,
    ).stdout  # fmt: skip


def clear_half_made(order: dict[str, Any]) -> None:
    """Remove the keys that a killed `init` left in our own folder: nothing was encrypted with them yet.

    Raises:
        BackupError: there is more than keys.
    """
    keys = files_below(f"{order['path']}/keys")
    if any(files_below(f"{order['path']}/{folder}") for folder in ("data", "index", "snapshots")):
        raise half_made(order)
    for each in keys:
        os.unlink(each)
    if keys:
        print(f"removed what a killed run left in {order['path']}/keys")


def refuse(error: OSError) -> NoReturn:
    """Let no folder count as empty that cannot be read."""
    raise error


def files_below(path: str) -> list[str]:
    """The files anywhere below a folder, which need not be there."""
    if not os.path.isdir(path):
        return []
    return [f"{folder}/{name}" for folder, _, names in os.walk(path, onerror=refuse) for name in names]


def holds_something(path: str) -> bool:
    """Tell whether a file has content, or a folder a file anywhere below it."""
    if not os.path.isdir(path):
        return os.stat(path).st_size > 0
    return any(files for _, _, files in os.walk(path, onerror=refuse))


def follows_links(path: str) -> bool:
    """Tell whether links are followed where this is mounted."""
    return not os.statvfs(path).f_flag & ST_NOSYMFOLLOW


def look_at_sources(order: dict[str, Any]) -> None:
    """Refuse to back up what is not there: a snapshot without it would drive the good ones out.

    Raises:
        BackupError: naming every source that is missing, empty, or reached by a link.
    """
    refused = read(REFUSED, f"{SOURCES_UNIT} writes it")
    wrong = [f"{path} {reason}" for path, reason in refused.items()]
    for path in order["sources"]:
        if path in refused:
            continue
        try:
            if follows_links(path):
                wrong.append(f"{path} is not mounted as {SOURCES_UNIT} does it: links in it would be followed")
            elif not holds_something(path):
                wrong.append(f"{path} is empty")
        except OSError as error:
            wrong.append(f"{path} cannot be read: {error.strerror}")
    if wrong:
        raise BackupError("nothing was backed up:\n" + "\n".join(wrong))


def unread(stderr: str) -> list[str]:
    """The files that restic names in its errors."""
    found = []
    for line in filter(None, stderr.split("\n")):
        try:
            told = json.loads(line)
            error = told["error"]
            # Debian 12's restic tells the error's number, Debian 13's its words.
            reason = error.get("message") or os.strerror(int(error["Err"]))
            found.append(plain(f"{told['item']}: {reason}"))
        except (ValueError, KeyError, TypeError, AttributeError):
            found.append(plain(line))
    return found


def backup(order: dict[str, Any]) -> None:
    """Back up, write down that it went well, and let go of what is older than declared.

    Raises:
        BackupError: a source is missing, empty or a link, a file could not be read, restic failed.
    """
    look_at_sources(order)
    if not was_made(order):
        make_repository(order)
    began = time.monotonic()
    must(order, "unlock")  # what a killed run left, were it its prune; those in use stay
    done = restic(order, "backup", "--json", "--host", order["host"], "--tag", "holdfast", "--", *order["sources"])
    if done.returncode == INCOMPLETE:
        files = unread(done.stderr)
        raise BackupError("the backup is incomplete; these could not be read:\n" + "\n".join(files[:SHOWN]), INCOMPLETE)
    if done.returncode:
        fail(order, done)
    told = [parsed(line) for line in done.stdout.split("\n") if '"summary"' in line][-1]
    record = {
        "time": now(),
        "snapshot": told["snapshot_id"],
        "files": told["total_files_processed"],
        "bytes": told["total_bytes_processed"],
        "added": told["data_added"],
        "seconds": round(time.monotonic() - began, 1),
        "sources": order["sources"],
    }
    write_down("last", record)
    print(
        f"snapshot {record['snapshot'][:8]}: {record['files']} files, {record['bytes']} bytes, "
        f"{record['added']} bytes new, {record['seconds']} s"
    )
    forget(order)


def when(snapshot: dict[str, Any]) -> datetime.datetime:
    """The time that a snapshot bears."""
    return datetime.datetime.fromisoformat(snapshot["time"]).astimezone(datetime.UTC)


def snapshots(order: dict[str, Any], *which: str) -> list[dict[str, Any]]:
    """This host's snapshots, the oldest first. One of the future comes first: it was made under a wrong clock.

    Whatever name it had: the repository is its own.
    """
    asked = ["--json", "--tag", "holdfast", *which]
    found: list[dict[str, Any]] = parsed(must(order, UNLOCKED, "snapshots", *asked)) or []
    present = datetime.datetime.now(datetime.UTC)
    return sorted(found, key=lambda one: (when(one) <= present, when(one)))


def gap(days: Iterable[datetime.date]) -> tuple[datetime.date, datetime.date] | None:
    """Return between which of the last days with a backup none was made for long."""
    last = sorted(set(days))[-DAYS:]
    found = [(one, other) for one, other in itertools.pairwise(last) if (other - one).days > GAP]
    return found[-1] if found else None


def forget(order: dict[str, Any]) -> None:
    """Let go of what is older than declared. restic counts from the newest one, and what it prunes never comes back.

    After a long standstill, or under a clock that stands ahead, that could be the whole history. So nothing goes before
    there are backups of some days again, and one of each of these stays. Days, since a day may have many backups.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    found = gap(day for day in (when(one).date() for one in snapshots(order)) if day <= today)
    if found:
        print(
            f"nothing old was removed, since no backup was made between {found[0]} and {found[1]}: is the clock right? "
            f"It is removed again once there are backups of {DAYS} days since then"
        )
        return
    keep = [f"--keep-within-{each}={order['keep'][each]}" for each in ("daily", "weekly", "monthly")]
    keep.append(f"--keep-daily={DAYS}")
    must(order, "forget", "--tag", "holdfast", "--group-by", "", "--prune", *keep)


def check(order: dict[str, Any]) -> None:
    """Check the repository's structure, and read a part of its data: within some weeks all of it is read.

    Raises:
        BackupError: something is damaged.
    """
    part = datetime.datetime.now(datetime.UTC).isocalendar()[1] % PARTS + 1
    must(order, "unlock")
    print(must(order, "check", f"--read-data-subset={part}/{PARTS}").strip().splitlines()[-1])


def init(order: dict[str, Any]) -> None:
    """Make the repository now; a server that is not ready for this host is waited for.

    Raises:
        BackupError: what is declared is wrong.
    """
    try:
        make_repository(order)
    except AwayError as error:
        print(error)


# --- as root --------------------------------------------------------------------------------------------------------


def hold(order: dict[str, Any]) -> None:
    """Mount what is backed up where root alone gets in; the unit of the backup mounts it from there.

    Were it to mount the declared paths themselves, systemd would follow a link that the owner of a folder above one
    laid, to wherever it leads. Here is mounted what was opened without following any. Nor is a link followed below
    these mounts: restic opens files by their whole paths, and a folder that becomes a link while it reads would lead it
    to what else is in the sandbox, such as the files of another service.
    """
    os.makedirs(HELD, mode=0o700, exist_ok=True)
    clear_held()
    place = HELD.encode()
    call("mount", place, place, None, ctypes.c_ulong(MS_BIND), None)
    # What is mounted in it is for no namespace that is there already. One that is made meanwhile, as of a unit
    # with a sandbox, gets copies, and these end with the mounts here.
    call("mount", None, place, None, ctypes.c_ulong(MS_PRIVATE), None)
    call("mount", None, place, None, ctypes.c_ulong(MS_SHARED), None)
    refused = {}
    for path in order["sources"]:
        # The one that it lies in is enough. One mounted within it would be mounted by a path that its owner can bend.
        if any(path != other and below(other, path) for other in order["sources"]):
            continue
        try:
            handle = opened(path)
        except BackupError as error:
            refused[path] = str(error)
        except OSError as error:
            refused[path] = f"cannot be read: {error.strerror}"
        else:
            mount_opened(handle, held(path))
            os.close(handle)
    put(REFUSED, json.dumps(refused))


def clear_held() -> None:
    """Take away what an earlier run left: its mounts, and then the empty places of these. Nothing that holds a file."""
    with contextlib.suppress(OSError):
        while True:
            call("umount2", HELD.encode(), MNT_DETACH)
    for name in os.listdir(HELD):
        place = f"{HELD}/{name}"
        os.rmdir(place) if os.path.isdir(place) else os.unlink(place)


def held(path: str) -> str:
    """Where a source is mounted for the sandbox. The unit's template makes the same name of the path."""
    return f"{HELD}/{hashlib.sha256(path.encode()).hexdigest()}"


def opened(path: str) -> int:
    """Open a file or a folder, part by part, and follow no link.

    Raises:
        BackupError: a part of the path is a link, or what it leads to can hold no content.
        OSError: it is not there.
    """
    handle, done = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), ""
    for part in filter(None, path.split("/")):
        above, done = handle, f"{done}/{part}"
        try:
            handle = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
        kind = os.fstat(handle).st_mode
        if not stat.S_ISDIR(kind) and (done != path or not stat.S_ISREG(kind)):
            os.close(handle)
            link = f"is not backed up: {done} is a link. Put the folder itself there, or declare the path it leads to"
            raise BackupError(link if stat.S_ISLNK(kind) else f"is not backed up: {done} is neither file nor folder")
    return handle


def mount_opened(handle: int, place: str) -> None:
    """Mount what is open, with what is mounted below it, read-only and so that no link in it is followed."""
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.mkdir(place, 0o700)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    # Made before it is seen anywhere. Private: what ends below one of these mounts would end in its original, too.
    how = (ctypes.c_uint64 * 4)(RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW, 0, MS_PRIVATE, 0)
    tree = call("syscall", OPEN_TREE, handle, b"", OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)
    try:
        size = ctypes.c_size_t(ctypes.sizeof(how))
        call("syscall", MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH | AT_RECURSIVE, how, size)
        call("syscall", MOVE_MOUNT, tree, b"", AT_FDCWD, place.encode(), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that Python does not know, and return what it returns.

    Raises:
        OSError: it failed.
    """
    returned = int(getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments))
    if returned < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return returned


def start(verb: str) -> int:
    """Start a unit, wait for it, and repeat what it said."""
    unit, since = UNITS[verb], int(time.time())
    done = subprocess.run(
        ["systemctl", "start", unit], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    subprocess.run(["journalctl", "--sync"], check=False)
    said = subprocess.run(
        ["journalctl", "--no-pager", "-o", "cat", f"--since=@{since}"]
        + [f"_SYSTEMD_UNIT={each}" for each in (unit, SOURCES_UNIT)],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    print(said or done.stderr.strip())
    if done.returncode:
        print(f"{unit} failed; all of it: journalctl -u {unit}")
    return done.returncode


def key() -> None:
    """Make this host's key for the server, once, and lay its public half where the sandbox sees it."""
    private = f"{SECRETS}/id_ed25519"
    os.makedirs(SECRETS, mode=0o700, exist_ok=True)
    if not os.path.exists(private) or not os.path.getsize(private):
        make_key(private)
    # Derived each time: no kill can leave one half without the other.
    fix = f"{private} cannot be used; remove it, and the next run makes another, of which the server has to be told"
    put(f"{FOLDER}/id_ed25519.pub", keygen(fix, "-y", "-P", "", "-f", private))


def make_key(private: str) -> None:
    """Make a key that has its name once it is whole.

    Raises:
        BackupError: it could not be made.
    """
    new, failed = f"{private}.new", f"{private} could not be made"
    comment = f"holdfast-backup@{orders()['host']}"
    try:
        # What a killed run left: ssh-keygen would ask before it writes over that.
        for path in (new, f"{new}.pub", f"{private}.pub"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        keygen(failed, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", new)
        os.unlink(f"{new}.pub")
        with open(new, "rb") as handle:
            os.fsync(handle.fileno())
        os.rename(new, private)
    except OSError as error:
        raise BackupError(f"{failed}: {error.strerror}") from error


def keygen(otherwise: str, *arguments: str) -> str:
    """Return what ssh-keygen says.

    Raises:
        BackupError: it failed; with these words.
    """
    done = subprocess.run(
        ["ssh-keygen", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        raise BackupError(f"{otherwise}: {done.stderr.strip()}")
    return done.stdout


def tell(order: dict[str, Any]) -> None:
    """Tell what the operator has to see to before the next backup; nothing when that is nothing.

    On the output this host's public key, as long as the server may not know it; beside it where the backups so far are.
    """
    if not order["server"]:
        return
    if words := elsewhere(order):
        print(words, file=sys.stderr)
    # Also where the server knew this host, and a key that was made since is not the one that it knows.
    if not was_made(order) or re.search(STRANGER, shut_out()):
        with open(f"{FOLDER}/id_ed25519.pub", encoding="utf-8") as handle:
            print(handle.read().strip())


def by_hand(order: dict[str, Any], arguments: list[str]) -> int:
    """Run restic as the backups do, as root and with the terminal; return its exit code.

    Of a repository on this host, what it has written is handed to the account of the backups.

    Raises:
        BackupError: the units of the backups do that, with the rights that it takes and no more.
    """
    verb = verb_of(arguments)
    if verb in BY_UNITS:
        raise BackupError(f"not as root: `systemctl start {BY_UNITS[verb]}` does what `restic {verb}` is for")
    command, environment = called(order, *arguments)
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


def below(path: str, whole: str) -> bool:
    """Tell whether a path is another one or lies in it."""
    return whole == path or whole.startswith(f"{path.rstrip('/')}/")


def restore(order: dict[str, Any], path: str, to: str, snapshot: str, *, only_list: bool) -> None:
    """Bring a path of a snapshot back into a directory of its own, under its whole path, with owners and modes.

    Raises:
        BackupError: the directory holds something, or is not root's alone, or the snapshot has no such path, or restic
            failed.
    """
    path, to = path.rstrip("/"), to.rstrip("/")
    if not path.startswith("/") or not to.startswith("/"):
        raise BackupError("write both `path` and `to` as absolute paths")
    to_make = look_at_target(to)
    # Not restic's own `latest`: that may be one of the future, and older than others.
    chosen = snapshots(order, *([] if snapshot == "latest" else [snapshot]))
    if not chosen:
        raise BackupError(f"the repository has no snapshot {snapshot} of this host")
    found = chosen[-1]
    told = each_parsed(must(order, UNLOCKED, "ls", "--json", "--recursive", found["id"], path))
    nodes = [node for node in told if node.get("struct_type") == "node" and below(path, node["path"])]
    if not nodes:
        raise BackupError(
            f"snapshot {found['short_id']} of {found['time'][:16]} has no {path}; it has {', '.join(found['paths'])}"
        )
    size = sum(node.get("size", 0) for node in nodes if node["type"] == "file")
    count = f"{len(nodes)} entries" if len(nodes) > 1 else "1 entry"
    what = f"{count}, {size} bytes, of snapshot {found['short_id']} of {found['time'][:16]}"
    if only_list:
        print(f"would restore {what} to {to}{path}")
        shown = [f"{node['uid']}:{node['gid']} {node.get('size', 0)} {plain(node['path'])}" for node in nodes]
    else:
        make_target(to, to_make)
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", path)
        must(order, UNLOCKED, "restore", found["id"], "--target", to, "--include", pattern, "--verify")
        came = compare(f"{to}{path}", to, [node["path"] for node in nodes])
        print(f"restored {what} to {to}{path}")
        if len(came) < len(nodes):
            unnamed = len(nodes) - len(came)
            print(f"{unnamed} of them cannot be compared by name, which is not UTF-8; their number is right")
        shown = [described(name) for name in came]
    print("\n".join(shown[:SHOWN]))
    if len(shown) > SHOWN:
        print(f"and {len(shown) - SHOWN} more")


def look_at_target(to: str) -> list[str]:
    """Return which directories are to be made for `to`, the uppermost first.

    Root writes there under names that a snapshot gives. Who can change a directory above could lay a link into the way.

    Raises:
        BackupError: somebody else could, or it is there and no empty directory.
    """
    parts = to.split("/")[1:]
    if not {"", ".", ".."}.isdisjoint(parts):
        raise BackupError(f"write {to} without empty parts and without . and ..")
    paths = ["/" + "/".join(parts[:number]) for number in range(len(parts) + 1)]
    for number, path in enumerate(paths):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return paths[number:]
        # Where everybody may make something and nobody may move what others made, a new one is as good as elsewhere.
        new = found.st_mode & stat.S_ISVTX and path != to and not os.path.lexists(paths[number + 1])
        wrong = (
            ("is no directory" if path == to else "is a link or no directory") if not stat.S_ISDIR(found.st_mode)
            else f"belongs to the account {found.st_uid}, not to root" if found.st_uid
            else "can be changed by others than root" if found.st_mode & 0o022 and not new
            else ""
        )  # fmt: skip
        if wrong:
            raise BackupError(f"{path} {wrong}, so nothing is restored into {to}: choose another, as /var/restore/NEW")
    if os.listdir(to):
        raise BackupError(f"{to} is there and not an empty directory: choose another")
    return []


def make_target(to: str, missing: list[str]) -> None:
    """Make the directory that is restored into; nobody but root gets into it, whatever lies in it.

    Raises:
        BackupError: somebody else was quicker.
    """
    for path in missing:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise BackupError(f"{path} was made by somebody else meanwhile: choose another") from None
    os.chmod(to, 0o700)


def compare(top: str, to: str, paths: list[str]) -> list[str]:
    """Return where what was to come back is, but for what has no name that restic can tell.

    Raises:
        BackupError: something did not come back.
    """
    came = [f"{to}{path}" for path in paths if os.path.lexists(f"{to}{path}")]
    missing = [path for path in paths if UNKNOWN not in path and not os.path.lexists(f"{to}{path}")]
    if missing:
        raise BackupError("these did not come back:\n" + "\n".join(map(plain, missing[:SHOWN])))
    if len(came) < len(paths):
        there = 1 + sum(len(folders) + len(files) for _, folders, files in os.walk(top, onerror=refuse))
        if there < len(paths):
            raise BackupError(f"of {len(paths)} entries {there} came back; the names of the others are not UTF-8")
    return came


def described(path: str) -> str:
    """Owner, mode, size and name of what lies at a path."""
    found = os.lstat(path)
    return f"{found.st_uid}:{found.st_gid} {stat.filemode(found.st_mode)} {found.st_size} {plain(path)}"


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
        key()
    elif given.verb == "tell":
        tell(orders())
    elif given.verb == "hold":  # before the backup that it is for waits to be alone
        hold(orders())
    else:
        with alone():
            if given.verb == "restic":
                return by_hand(orders(), given.arguments)
            if given.verb == "restore":
                restore(orders(), given.path, given.to, given.snapshot, only_list=given.list)
            else:
                {"backup": backup, "check": check, "init": init}[given.verb](orders())
    return 0


if __name__ == "__main__":
    sys.exit(main())
