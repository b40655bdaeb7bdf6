"""holdfast services, the host's half: let run what the plans in /etc/holdfast/services declare.

    services settle KEEP    start what is new, wait until it is up, stop what it replaces, end what is declared no more;
                            KEEP old releases of each service stay
    services run NAME       run the command on standard input in the sandbox of a service; its exit code is the answer

A service of which something is not up in time gets back what it was when it was last up, files and all; a line of its
own that begins with "not up:" tells why. The others are none the worse for it. May be killed anywhere and run again.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import syslog
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANS = "/etc/holdfast/services"
SECRETS = "/etc/holdfast/secrets"
RECORDS = "/var/lib/holdfast/services"
UNITS = "/etc/systemd/system"
COMMANDS = "/run/holdfast-run"
PROC = "/proc"
GIVEN_UP = "/run/holdfast-given-up"  # whoever starts units after a handler lets those alone that are named here
NOTHING: dict[str, Any] = {"release": None, "parts": [], "schedules": [], "secrets": []}
# Whoever restarts services or the host takes this lock for itself alone.
DEPLOY_LOCK = "/run/holdfast/locks/deploy"
DEPLOY_SECONDS = 120.0  # for which a run waits for it; the handler has ten minutes
UP_SECONDS = 30.0  # time to answer the health check
ASK_SECONDS = 3.0  # for one question and its answer, however slowly that comes
STATUS_BYTES = 1024  # in which the status has to stand
# What is not begun by then has to wait for the next run: whoever calls this ends it after ten minutes.
BUDGET_SECONDS = 420.0
STAY_SECONDS = 2.0  # time for which a part without a health check has to stay up
SEARCH_SECONDS = 40  # for what the accounts of services that are gone own, all of a run together
TIMED_OUT = 124
COPY_SECONDS = 86400.0  # after which the copy of a release that has no name yet is none that is still being made
FAR = {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "afs", "lustre"}  # and what FUSE shows
LAST_WORDS = 8
BUSY = 75


class NotUpError(Exception):
    """A unit did not come up; the message says why."""


class BusyError(Exception):
    """Updates are at work on this host."""


@contextlib.contextmanager
def undisturbed(seconds: float) -> Iterator[None]:
    """Keep restarts and reboots of updates away; several may do so at once.

    Raises BusyError: updates were at work all the time.
    """
    os.makedirs(os.path.dirname(DEPLOY_LOCK), mode=0o755, exist_ok=True)
    until = time.monotonic() + seconds
    with os.fdopen(os.open(DEPLOY_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BusyError from None
            time.sleep(0.5)
        yield


def ended(unit: str, result: str) -> NotUpError:
    """What is told of a unit that has ended, with its last words."""
    return NotUpError(f"{unit} ended ({result}). It said last:\n{last_words(unit)}")


def run(*argv: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it printed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def one_line(text: str) -> str:
    """Return text on one line: what others have written or named could pass for lines of ours, or not be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in " / ".join(text.splitlines()))


def systemctl(*words: str) -> str:
    """Run systemctl; return what it complained of, nothing when all went well."""
    code, text = run("systemctl", "--quiet", *words)
    return text or f"exit code {code}" if code else ""


def show(unit: str) -> dict[str, str]:
    """What systemd knows of a unit."""
    keys = (
        "ActiveState,SubState,MainPID,Result,ExecMainCode,ExecMainStatus,"
        "ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
    )
    return dict(
        line.split("=", 1) for line in run("systemctl", "show", "-p", keys, unit)[1].splitlines() if "=" in line
    )


def runs(unit: str) -> bool:
    """Whether a unit runs, or is about to."""
    return show(unit)["ActiveState"] in ("active", "activating", "reloading")


def last_words(unit: str) -> str:
    """What a unit said last."""
    run("journalctl", "--sync")
    return run("journalctl", "-u", unit, "-n", str(LAST_WORDS), "-o", "cat", "--no-pager")[1]


def read(path: str) -> dict[str, Any]:
    """Return a JSON file, nothing where it is not there or was cut off."""
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, Any] = json.load(handle)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def write(path: str, data: dict[str, Any]) -> None:
    """Replace a JSON file by a rename."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8") as handle:
        json.dump(data, handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(f"{path}.new", path)


def content(path: str) -> dict[str, Any]:
    """Return what brings a file back, its time too: by that it is told whether a unit is younger than its files."""
    with open(path, encoding="utf-8", newline="") as handle:
        state = os.stat(handle.fileno())
        return {"text": handle.read(), "mode": stat.S_IMODE(state.st_mode), "time": state.st_mtime_ns}


def put(path: str, kept: dict[str, Any]) -> None:
    """Bring a file of root's back as it was kept."""
    if os.path.exists(path) and content(path) == kept:
        return
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8", newline="") as handle:
        handle.write(kept["text"])
        handle.flush()
        os.fchmod(handle.fileno(), kept["mode"])
        os.utime(handle.fileno(), ns=(kept["time"], kept["time"]))
        os.fsync(handle.fileno())
    os.rename(f"{path}.new", path)


def by_name(folder: str) -> dict[str, dict[str, Any]]:
    """Return the JSON files of a folder by their names."""
    return {os.path.basename(path)[:-5]: read(path) for path in sorted(glob.glob(f"{folder}/*.json"))}


def instances(template: str, kind: str) -> set[str]:
    """Instances of a template that run, have failed or are enabled."""
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", f"{template}@*.{kind}")[1]
    linked = glob.glob(f"{UNITS}/*.wants/{glob.escape(template)}@*.{kind}")
    return {line.split()[0] for line in listed.splitlines() if line} | {os.path.basename(path) for path in linked}


def end(units: set[str]) -> None:
    """Stop and disable units, also those whose files are gone."""
    if not units:
        return
    systemctl("stop", *sorted(units))
    links = [link for unit in units for link in glob.glob(f"{UNITS}/*.wants/{glob.escape(unit)}")]
    for link in links:
        os.unlink(link)
    systemctl("reset-failed", *sorted(units))
    if links:
        systemctl("daemon-reload")  # or systemd remembers units for the sake of links that are gone


def drop(paths: set[str]) -> None:
    """Remove files of a service, some of which may be gone; systemd forgets the units among them."""
    there = {path for path in paths if os.path.lexists(path)}
    for path in there:
        os.unlink(path)
    if any(path.startswith(UNITS) for path in there):
        systemctl("daemon-reload")


def sweep_releases(folder: str, kept: list[str]) -> None:
    """Remove the releases that are not kept, and copies that were killed: another run may be at work on a young one."""
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if entry.name in kept or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(FileNotFoundError):  # another run has just given its copy its name
            copy = entry.name.startswith(".")
            if not copy or entry.stat(follow_symlinks=False).st_ctime < time.time() - COPY_SECONDS:
                shutil.rmtree(entry.path)


def environment(name: str) -> str:
    """Path of the declared environment of a service; systemd reads it, as root."""
    return f"{PLANS}/{name}.env"


def files_of(name: str, plan: dict[str, Any]) -> list[str]:
    """Paths of the units, the environment and the secrets of a service."""
    units = [f"{name}-{part['role']}@.service" for part in plan["parts"]]
    units += [f"{name}-{schedule}@.{kind}" for schedule in plan["schedules"] for kind in ("service", "timer")]
    units += [f"{name}-run@.service"] if plan["release"] else []
    files = [f"{UNITS}/{unit}" for unit in units] + [f"{SECRETS}/{name}/{secret}" for secret in plan["secrets"]]
    return files + ([environment(name)] if plan["release"] else [])


def remaining(until: float) -> float:
    """Seconds until then. Raises TimeoutError when none are left."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def first_line(door: socket.socket, until: float) -> str:
    """Return the first line that comes; what follows may never end.

    Raises TimeoutError when it is not there in time, by whatever drops it comes.
    """
    said = b""
    while b"\n" not in said and len(said) < STATUS_BYTES:
        door.settimeout(remaining(until))
        more = door.recv(STATUS_BYTES - len(said))
        if not more:
            break
        said += more
    return said.partition(b"\n")[0].decode(errors="replace")


class Service:
    """One declared service: its plan, and the record of what was started for it before."""

    def __init__(self, name: str, plan: dict[str, Any], record: dict[str, Any]) -> None:
        """Nothing is touched."""
        self.name, self.plan, self.record = name, plan, record
        self.release = plan["release"]
        self.started: set[str] = set()
        self.stopped: set[str] = set()
        self.last_up = f"{SECRETS}/{name}/.last-up.json"  # there, since the secrets are in it

    def unit(self, part: str, kind: str = "service") -> str:
        """Name of the instance of the declared release."""
        return f"{self.name}-{part}@{self.release}.{kind}"

    @property
    def parts(self) -> set[str]:
        """Units of the declared parts."""
        return {self.unit(part["role"]) for part in self.plan["parts"]}

    @property
    def timers(self) -> set[str]:
        """Units of the declared schedules."""
        return {self.unit(name, "timer") for name in self.plan["schedules"]}

    def there(self) -> set[str]:
        """Parts and timers of whatever release that run, have failed or are enabled."""
        found: set[str] = set()
        for part in self.record["parts"]:
            found |= instances(f"{self.name}-{part}", "service")
        for schedule in self.record["schedules"]:
            found |= instances(f"{self.name}-{schedule}", "timer")
        return found

    def old_jobs(self) -> set[str]:
        """Jobs of schedules that are declared no more, and those of other releases that have ended, well or not."""
        found: set[str] = set()
        for schedule in self.record["schedules"]:
            jobs = instances(f"{self.name}-{schedule}", "service")
            declared = schedule in self.plan["schedules"]
            found |= {job for job in jobs - {self.unit(schedule)} if not runs(job)} if declared else jobs
        return found

    def old_commands(self) -> set[str]:
        """One-off commands of other releases that have ended; whoever asked for them has gone."""
        here = self.unit("run")
        return {unit for unit in instances(f"{self.name}-run", "service") - {here} if show(unit)["SubState"] != "start"}

    def note(self) -> None:
        """Record what is about to be started, so that a later run can end it even when this one is killed."""
        parts = {part["role"] for part in self.plan["parts"]} | set(self.record.get("parts", []))
        self.record["parts"] = sorted(parts)
        self.record["schedules"] = sorted({*self.plan["schedules"], *self.record.get("schedules", [])})
        ports = [part["port"] for part in self.plan["parts"] if part["port"]]
        self.record["ports"] = sorted({*ports, *self.record.get("ports", [])})
        write(f"{RECORDS}/{self.name}.json", self.record)

    def is_current(self, part: str, kind: str = "service") -> bool:
        """Whether the declared instance runs, and was started after all that it is made of was last changed."""
        state = show(self.unit(part, kind))
        if state["ActiveState"] != "active":
            return False
        key = "ExecMainStartTimestampMonotonic" if kind == "service" else "ActiveEnterTimestampMonotonic"
        started = time.time() - time.monotonic() + int(state[key]) / 1e6
        files = [f"{UNITS}/{self.name}-{part}@.{kind}", environment(self.name)]
        files += [f"{SECRETS}/{self.name}/{secret}" for secret in self.plan["secrets"]]
        return all(os.stat(path).st_mtime <= started for path in files)

    def wait(self, part: dict[str, Any]) -> None:
        """Return once a part that was started is up. Raises NotUpError with its last words when it is not."""
        unit = self.unit(part["role"])
        first, began, answer = show(unit)["MainPID"], time.monotonic(), "no answer"
        while True:
            state = show(unit)
            if state["ActiveState"] != "active" or state["MainPID"] != first:
                raise ended(unit, state["Result"])
            spent = time.monotonic() - began
            if part["health"] is None and spent > STAY_SECONDS:
                return
            if part["health"] is not None:
                answer = self.ask(part)
                if answer[:1] == "2":
                    return
                if spent > UP_SECONDS:
                    where = f"{part['health']} within {UP_SECONDS:.0f} s ({answer})"
                    raise NotUpError(f"{unit} did not answer {where}. It said last:\n{last_words(unit)}")
            time.sleep(0.1)

    def ask(self, part: dict[str, Any]) -> str:
        """Ask a part for its health; return the status of its answer, or why there is none."""
        family = socket.AF_INET if part["port"] else socket.AF_UNIX
        place: Any = ("127.0.0.1", part["port"])
        place = place if part["port"] else f"/run/{self.name}/{part['role']}-{self.release}.sock"
        until = time.monotonic() + ASK_SECONDS
        try:
            with socket.socket(family) as door:
                door.settimeout(ASK_SECONDS)
                door.connect(place)
                door.settimeout(remaining(until))
                door.sendall(f"GET {part['health']} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                words = first_line(door, until).split()
        except OSError as error:
            return error.strerror or str(error)
        return words[1] if len(words) > 1 else "no HTTP"

    def bring_up(self, until: float) -> None:
        """Start each part that does not run as declared. Raises NotUpError when one does not come up."""
        for part in self.plan["parts"]:
            unit = self.unit(part["role"])
            if self.is_current(part["role"]):
                continue
            if time.monotonic() > until:
                raise NotUpError(f"{unit} was not started: the services before it took all the time. Run again.")
            active = [one for one in instances(f"{self.name}-{part['role']}", "service") if one != unit and runs(one)]
            if part["port"] and active:
                print(f"{unit}: port {part['port']} cannot be held twice, so {' '.join(active)} was stopped first")
                self.stopped |= set(active)
                systemctl("stop", *active)
            self.started.add(unit)
            if wrong := systemctl("restart", unit):
                # One that ends at once does so before or after systemd counts it as started: of both the same is said.
                if (result := show(unit)["Result"]) != "success":
                    raise ended(unit, result)
                raise NotUpError(f"{unit} did not start: {wrong} It said last:\n{last_words(unit)}")
            self.wait(part)
            print(f"{unit} is up" + (f", instead of {' '.join(active)}" if active else ""))

    def finish(self, keep: int) -> None:
        """Enable what is up, stop what it replaced, keep what a way back needs, and forget old releases."""
        if wrong := systemctl("enable", *sorted(self.parts | self.timers)) if self.parts | self.timers else "":
            raise NotUpError(wrong)
        for name in self.plan["schedules"]:
            timer = self.unit(name, "timer")
            if not self.is_current(name, "timer"):
                self.started.add(timer)
                if wrong := systemctl("restart", timer):
                    raise NotUpError(wrong)
        end(self.there() - self.parts - self.timers)
        end(self.old_jobs() | self.old_commands())
        releases = [one for one in self.record.get("releases", []) if one != self.release]
        releases += [self.release] if self.release else []
        kept = releases[-(keep + 1) :]
        done = {
            "parts": [part["role"] for part in self.plan["parts"]],
            "schedules": self.plan["schedules"],
            "ports": [part["port"] for part in self.plan["parts"] if part["port"]],
            "releases": kept,
        }
        files = {path: content(path) for path in files_of(self.name, self.plan)}
        # What a way back has brought again, and this release does without.
        drop(set(read(self.last_up).get("files", {})) - set(files))
        write(self.last_up, {"plan": self.plan, "files": files})
        write(f"{RECORDS}/{self.name}.json", done)
        sweep_releases(f"/srv/{self.name}/releases", kept)

    def put_back(self) -> str:
        """Bring back what was last up, or nothing where there was none; return in words what runs now.

        The plan that stays differs from every declared one: the next run tries again, and may not find all well.
        """
        for unit in self.parts | self.timers:
            os.makedirs(GIVEN_UP, exist_ok=True)
            with open(f"{GIVEN_UP}/{unit}", "w", encoding="utf-8"):
                pass
        end(self.started)
        good = read(self.last_up)
        if not good and self.record.get("releases"):
            # Something was up, and what it consisted of is not known: so it stays as it runs.
            write(f"{PLANS}/{self.name}.json", {**self.plan, "not_up": self.release})
            wrong = systemctl("start", *sorted(self.stopped)) if self.stopped else ""
            return f"what ran before could not be started again: {wrong}" if wrong else "what ran before runs on"
        good = good or {"plan": NOTHING, "files": {}}
        drop(set(files_of(self.name, self.plan)) - set(good["files"]))
        for path, kept in good["files"].items():
            put(path, kept)
        write(f"{PLANS}/{self.name}.json", {**good["plan"], "not_up": self.release})
        systemctl("daemon-reload")
        old = Service(self.name, good["plan"], self.record)
        wanted = sorted(old.parts | old.timers)
        end(self.there() - set(wanted))
        if not wanted:
            return "nothing of it was ever up"
        if wrong := systemctl("enable", *wanted) or systemctl("start", *wanted):
            return f"{' '.join(wanted)}, which ran before, could not be started again: {wrong}"
        return f"put back as it was last up: {' '.join(wanted)}"


def retire(name: str, record: dict[str, Any], seconds: int) -> str:
    """End a service that is declared no more; return in words what became of it.

    ``seconds``: for the search for what its account owns.
    """
    units = instances(f"{name}-run", "service")
    ours = account_is_ours(name)
    for part in [*record.get("parts", []), *record.get("schedules", [])]:
        units |= instances(f"{name}-{part}", "service") | instances(f"{name}-{part}", "timer")
    end(units)
    # A way back may have brought units again that no set knows of.
    drop(set(read(f"{SECRETS}/{name}/.last-up.json").get("files", {})))
    for path in (f"/srv/{name}/releases", f"{SECRETS}/{name}"):
        shutil.rmtree(path, ignore_errors=True)
    if ours:
        run("rm", "-rf", f"/run/{name}")  # the service's own: shutil gives up at folders that lie very deep
    said = f"{name} is declared no more: "
    if not ours:
        said += "its units are gone; its account is not of our making and stays"
    elif left := belongings(name, seconds):
        said += f"its units are gone, its account stays locked, since {left}"
    else:
        shutil.rmtree(f"/srv/{name}", ignore_errors=True)
        uid = pwd.getpwnam(name).pw_uid
        code, text = run("userdel", name)
        if not code:
            # The firewall refuses what it sends until now, and whoever gets this number next is another. Where the
            # table is not there, or the number not in it, there is nothing to take back.
            run("nft", "delete", "element", "inet", "holdfast", "retired", f"{{ {uid} }}")
        said += (
            f"its account could not be deleted: {text}"
            if code
            else "its units and its account are gone; it owned nothing"
        )
    os.unlink(f"{RECORDS}/{name}.json")
    return said


def account_is_ours(name: str) -> bool:
    """Whether the account was made for a service, and not by a package of that name."""
    try:
        return pwd.getpwnam(name).pw_gecos == "holdfast-service"
    except KeyError:
        return False


def filesystems() -> tuple[list[str], list[str]]:
    """Return where files of accounts may lie: mounts to be searched, and those of other machines, with their kinds."""
    with open(f"{PROC}/filesystems", encoding="ascii") as handle:
        disks = {line.strip() for line in handle if not line.startswith("nodev")} | {"tmpfs", "zfs"}
    # What an overlay shows lies on another filesystem, save the root of a container.
    searched, far = {("", ""): "/"}, []
    # The kernel quotes blanks and line feeds in names, and nothing else that Python would part lines or words at.
    with open(f"{PROC}/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        for line in handle:
            mount, _, source = line.partition(" - ")
            device, root, quoted = mount.split(" ")[2:5]
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), quoted)
            kind = source.split(" ")[0]
            if kind in disks and point != "/":
                searched.setdefault((device, root), point)
            elif kind in FAR or (kind.split(".")[0] == "fuse" and kind != "fuse.lxcfs"):  # a container's own figures
                far.append(f"{point} ({kind})")
    return list(searched.values()), far


def belongings(name: str, seconds: int) -> str:
    """Return in words why the account has to stay: what it owns, or may own; empty when that is nothing."""
    uid = pwd.getpwnam(name).pw_uid
    shared = f"/srv/{name}/shared"
    if os.path.isdir(shared) and os.listdir(shared):
        return f"it owns {shared}"
    places, far = filesystems()
    sought = ["-xdev", "-ignore_readdir_race", "-uid", str(uid), "!", "-path", shared, "-print", "-quit"]
    code, text = run("timeout", str(seconds), "find", *places, *sought)
    if code == TIMED_OUT:
        return f"it may own something: {seconds} s were too short to search {' '.join(places)}"
    if text:
        return f"it may own something: {text}" if code else f"it owns {text}"
    return f"it may own something in what is not searched: {', '.join(far)}" if far else ""


def settle(keep: int) -> None:
    """Bring up each service that is declared and end what it replaces, or put it back; end what is declared no more."""
    shutil.rmtree(GIVEN_UP, ignore_errors=True)
    records = by_name(RECORDS)
    services = [Service(name, plan, records.pop(name, {})) for name, plan in by_name(PLANS).items()]
    ports = {part["port"] for service in services for part in service.plan["parts"] if part["port"]}
    seconds = max(SEARCH_SECONDS // max(len(records), 1), 1)
    for name in [name for name, record in records.items() if ports & set(record.get("ports", []))]:
        print(one_line(retire(name, records.pop(name), seconds)))  # its port is wanted by another
    until = time.monotonic() + BUDGET_SECONDS
    for service in services:
        service.note()
        try:
            service.bring_up(until)
            service.finish(keep)
        except NotUpError as error:
            print(one_line(f"not up: {service.name}: {error}\n{service.put_back()}"))
    for name, record in records.items():
        print(one_line(retire(name, record, seconds)))


def one_off(name: str, command: str) -> int:
    """Run a command in the sandbox of a service, on record; print what it prints and return its exit code."""
    plan = read(f"{PLANS}/{name}.json")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not plan.get("release"):
        print(f"no service {name!r} with a release runs on this host")
        return 2
    unit = f"{name}-run@{plan['release']}.service"
    os.makedirs(COMMANDS, mode=0o700, exist_ok=True)
    with open(f"{COMMANDS}/{name}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another command of {name} is running; wait for it")
            return BUSY
        if show(unit)["ActiveState"] == "activating":
            print(f"the last command of {name} is still running: systemctl stop {unit} ends it")
            return BUSY
        who = os.environ.get("SUDO_USER") or "root"
        syslog.openlog("holdfast-run")
        try:
            with undisturbed(0):
                syslog.syslog(syslog.LOG_NOTICE, f"{name}: {who} runs: {command.strip()}")
                end({unit})
                code = carry_out(name, unit, command)
        except BusyError:
            print("updates are being installed, or restart what runs old code; try again when they are done")
            return BUSY
        syslog.syslog(syslog.LOG_NOTICE, f"{name}: the command of {who} ended with {code}")
        return code


def carry_out(name: str, unit: str, command: str) -> int:
    """Hand the command to its unit, wait for its end, and print what it said."""
    path = f"{COMMANDS}/{name}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(command if command.endswith("\n") else f"{command}\n")
    # Not by the invocation's ID, which the journal leaves out where the process has ended before it looks.
    since = f"--since=@{time.time():.6f}"
    wrong = systemctl("start", unit)
    state = show(unit)
    os.unlink(path)
    run("journalctl", "--sync")
    said = run("journalctl", since, f"_SYSTEMD_UNIT={unit}", "-o", "cat", "-q", "--no-pager")[1]
    status = int(state["ExecMainStatus"])
    if wrong and not status:
        said += f"\n{wrong}\n{last_words(unit)}"
        status = 1
    end({unit})  # before anything is printed: whoever asked may be gone
    print(said, flush=True)
    return status if state["ExecMainCode"] in ("0", "1") else 128 + status


if __name__ == "__main__":
    os.umask(0o077)
    verb, word = sys.argv[1:]
    if verb == "settle":
        try:
            with undisturbed(DEPLOY_SECONDS):
                settle(int(word))
        except BusyError:
            raise SystemExit("updates are at work on this host; run again when they are done") from None
    else:
        raise SystemExit(one_off(word, sys.stdin.read()))
