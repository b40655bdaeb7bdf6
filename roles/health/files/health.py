#!/usr/bin/python3 -I
"""Look at this host, say what is wrong before it breaks something, and write it down.

One line for each finding goes to the journal, all that was seen to health.json, and the same in Prometheus' words to
where node-exporter picks it up. Exit code 1 when something failed. Limits are the policy's; nothing is changed.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = "/etc/holdfast/health.json"
RESULT = "/var/lib/holdfast/health/health.json"
COLLECTOR = "/var/lib/prometheus/node-exporter"
BACKUP = "/var/lib/holdfast/backup"
OWN_UNIT = "holdfast-health.service"
CERTIFICATES = "/etc/letsencrypt/live/*/fullchain.pem"
UPGRADER = "/usr/bin/unattended-upgrade"
KEYS = "/etc/ssh/authorized_keys.d"
ADMIN_GROUPS = ("holdfast-admin", "holdfast-ssh")  # who is in both has sudo, and a way in
LAST_DAYS = 7
FAR = 2932896  # the last day of the year 9999, as shadow(5) counts days
LAST_UPGRADE = "/var/lib/apt/periodic/unattended-upgrades-stamp"
LOOP, SHORT_WHILE = 3, 600  # starts by systemd alone, seconds since the last one: as verify's promise counts them
# They are started again after each logout.
CONSOLES = re.compile(r"((serial|container)-)?getty@.*|console-getty\.service")
LEVELS = {"ok": 0, "note": 0, "warn": 1, "fail": 2}

Finding = dict[str, Any]


def finding(check: str, subject: str, level: str, text: str, value: float | None = None) -> Finding:
    """One thing that was looked at."""
    return {"check": check, "subject": printable(subject), "level": level, "text": printable(text), "value": value}


def printable(text: str) -> str:
    """Text of which a stranger may have chosen some: what would move a cursor or begin a line is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def run(*argv: str) -> tuple[int, str]:
    """Exit code and output of a command; one that is not there answers 127."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return 127, f"{argv[0]} is not installed"
    except subprocess.TimeoutExpired:
        return 124, f"{argv[0]} did not answer within 30 s"
    return done.returncode, done.stdout.strip()


def rising(value: float, limits: dict[str, int]) -> str:
    """Level of what is the worse the more it is."""
    return "fail" if value >= limits["fail"] else "warn" if value >= limits["warn"] else "ok"


def falling(value: float, limits: dict[str, int]) -> str:
    """Level of what is the worse the less is left."""
    return "fail" if value <= limits["fail"] else "warn" if value <= limits["warn"] else "ok"


def percent(part: float, whole: float) -> float:
    """Percent with one digit; nothing of nothing is 0."""
    return round(100 * part / whole, 1) if whole else 0.0


def unescaped(path: str) -> str:
    """A path as it is, of one in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)


class Mount(NamedTuple):
    """One mount: the device's numbers, where it is, its options, the file system's kind and own options."""

    device: str
    path: str
    options: list[str]
    kind: str
    disk: list[str]


def mounts(process: str) -> list[Mount]:
    """What is mounted for a process; a later one covers an earlier one.

    Users choose a place's name where they may mount, as with FUSE. The kernel escapes what ends its own lines and
    words, and nothing else that Python takes for an end or a space.
    """
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        halves = [line.split(" - ", 1) for line in handle.read().split("\n") if line]
    found = []
    for before, after in halves:
        words, behind = before.split(" "), after.split(" ")
        found.append(Mount(words[2], unescaped(words[4]), words[5].split(","), behind[0], behind[2].split(",")))
    return found


def file_systems() -> list[str]:
    """Directories where a file system with room of its own is mounted that can be written to, each one once."""
    found: dict[str, str] = {}
    for one in mounts("self"):
        # The file system's own options: for this program all is mounted read-only. An overlay has the room of another.
        overlay = one.kind == "overlay" and one.path != "/"
        if "rw" not in one.disk or not os.path.isdir(one.path) or overlay:
            found.pop(one.path, None)  # what lay there before is hidden now
        else:
            found[one.path] = one.device
    firsts = {device: path for path, device in reversed(found.items())}
    return sorted(firsts.values())


def turned_read_only() -> list[str]:
    """Directories that were mounted to be written to, and whose disk the kernel has made read-only: it has failed.

    As the host's first process sees them. For this one all is mounted read-only.
    """
    found: dict[str, str] = {}
    for one in mounts("1"):
        if "rw" in one.options and {"ro", "emergency_ro"} & set(one.disk):
            found.setdefault(one.device, one.path)
    return sorted(found.values())


def disks(limits: dict[str, Any]) -> Iterator[Finding]:
    """Room and inodes of each file system, as df counts them, and disks that the kernel has made read-only."""
    for path in turned_read_only():
        yield finding("disk", path, "fail", "the kernel has made it read-only: journalctl -k")
    for path in file_systems():
        try:
            found = os.statvfs(path)
        except OSError as error:
            yield finding("disk", path, "fail", f"cannot be looked at: {error.strerror}")
            continue
        used, room = found.f_blocks - found.f_bfree, found.f_blocks - found.f_bfree + found.f_bavail
        if found.f_blocks:
            value = percent(used, room)
            yield finding("disk", path, rising(value, limits["disk"]), f"{value} % of the space is used", value)
        if found.f_files:
            value = percent(found.f_files - found.f_ffree, found.f_files)
            yield finding("inodes", path, rising(value, limits["inodes"]), f"{value} % of the inodes are used", value)


def memory(limits: dict[str, Any]) -> Iterator[Finding]:
    """Memory and swap, as the kernel counts them."""
    with open("/proc/meminfo", encoding="ascii") as handle:
        found = {line.split(":")[0]: int(line.split()[1]) for line in handle}
    value = percent(found["MemTotal"] - found["MemAvailable"], found["MemTotal"])
    yield finding("memory", "host", rising(value, limits["memory"]), f"{value} % of the memory is taken", value)
    if found["SwapTotal"]:
        value = percent(found["SwapTotal"] - found["SwapFree"], found["SwapTotal"])
        yield finding("swap", "host", rising(value, limits["swap"]), f"{value} % of the swap is used", value)


def clock(limits: dict[str, Any]) -> Iterator[Finding]:
    """Whether the clock is synchronised; a container has its host's."""
    if run("systemd-detect-virt", "--quiet", "--container")[0] == 0:
        yield finding("clock", "host", "note", "a container has the clock of its host")
        return
    code, text = run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if code == 0 and text == "yes":
        yield finding("clock", "host", "ok", "synchronised", 0)
        return
    minutes = round(time.clock_gettime(time.CLOCK_BOOTTIME) / 60)
    text = f"not synchronised, {minutes} minutes after the start" if code == 0 else text
    yield finding("clock", "host", rising(minutes, limits["clock_minutes"]), text, minutes)


def certificates(limits: dict[str, Any]) -> Iterator[Finding]:
    """Days that each certificate is still valid."""
    for path in sorted({*glob.glob(CERTIFICATES), *limits["certificates"]}):
        code, text = run("openssl", "x509", "-noout", "-enddate", "-in", path)
        found = re.search(r"notAfter=(.+) GMT", text)
        if code or not found:
            lines = text.splitlines() or ["no certificate"]
            yield finding("certificate", path, "fail", f"cannot be read: {lines[0]}")
            continue
        end = datetime.strptime(found[1], "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
        days = round((end.timestamp() - time.time()) / 86400, 1)
        text = f"valid for {days} days more" if days > 0 else f"ended {-days} days ago"
        yield finding("certificate", path, falling(days, limits["certificate_days"]), text, days)


def failed_units() -> Iterator[Finding]:
    """Units that have failed, this one left out; without descriptions, which may be mounts', with a user's words."""
    code, text = run("systemctl", "show", "--state=failed", "-p", "Id", "--", "*")
    if code:
        yield finding("unit", "systemd", "fail", f"cannot be asked: {text}")
        return
    failed = [line.removeprefix("Id=") for line in text.split("\n") if line]
    for name in failed:
        if name != OWN_UNIT:
            yield finding("unit", name, "fail", f"has failed: journalctl -u {name}")
    yield finding("units", "failed", "ok", f"{len(failed)} failed", len([name for name in failed if name != OWN_UNIT]))


def loops(uptime: float) -> Iterator[Finding]:
    """Services that systemd starts over and over: without a limit of starts such a one never counts as failed."""
    properties = "Id,NRestarts,ExecMainStartTimestampMonotonic"
    code, text = run("systemctl", "show", "--type=service", "--state=active,activating", "-p", properties, "--", "*")
    if code:
        yield finding("restarts", "systemd", "fail", f"cannot be asked: {text}")
        return
    found = 0
    for block in text.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        restarts = int(unit.get("NRestarts") or 0)
        ago = uptime - int(unit.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        if restarts >= LOOP and ago < SHORT_WHILE and not CONSOLES.match(unit["Id"]):
            found += 1
            text = f"was started again {restarts} times, last {ago:.0f} s ago: journalctl -u {unit['Id']}"
            yield finding("restarts", unit["Id"], "fail", text, restarts)
    yield finding("restarts", "services", "ok", f"{found} started over and over", found)


def read_time(path: str) -> float | None:
    """The `time` of a JSON file in seconds; None when there is no such file."""
    try:
        with open(path, encoding="utf-8") as handle:
            text = json.load(handle)["time"]
    except FileNotFoundError:
        return None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def backups(limits: dict[str, Any]) -> Iterator[Finding]:
    """Age of the last backup that went well; before the first one it counts from when the repository was made."""
    last, made = read_time(f"{BACKUP}/last.json"), read_time(f"{BACKUP}/repository.json")
    since = last or made
    if since is None:
        yield finding("backup", "last", "fail", "there was never one: the repository could not be opened yet")
        return
    hours = round((time.time() - since) / 3600, 1)
    text = f"{hours} hours ago" if last else f"none yet, {hours} hours after the repository was made"
    yield finding("backup", "last", rising(hours, limits["backup_hours"]), text, hours)


def upgrades(limits: dict[str, Any]) -> Iterator[Finding]:
    """Age of the last time that the host looked for updates by itself."""
    if not os.path.exists(UPGRADER):
        yield finding("updates", "last", "note", "unattended-upgrades is not installed")
        return
    began = os.stat(UPGRADER).st_ctime  # when it was installed
    last = os.stat(LAST_UPGRADE).st_mtime if os.path.exists(LAST_UPGRADE) else None
    days = round((time.time() - (last or began)) / 86400, 1)
    text = f"{days} days ago" if last else f"none yet, {days} days after it was installed"
    yield finding("updates", "last", rising(days, limits["update_days"]), text, days)


def database(path: str) -> list[list[str]]:
    """The lines of an account database in their fields."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        return [line.split(":") for line in handle.read().split("\n")]


def admin_ends() -> dict[str, int | None]:
    """The first day on which the account of each admin with a key is closed, as shadow(5) counts days; None for never.

    By the files that the host itself goes by: they say it also after a run that placed nothing else.
    """
    groups = {line[0]: set(line[3].split(",")) for line in database("/etc/group") if len(line) > 3}
    admins = set.intersection(*(groups.get(name, set()) for name in ADMIN_GROUPS))
    ends = {line[0]: line[7] for line in database("/etc/shadow") if len(line) > 7}
    return {
        name: int(ends[name]) if re.fullmatch("[0-9]{1,9}", ends[name]) else None
        for name in sorted(admins & set(ends))
        if os.path.exists(f"{KEYS}/{name}")
    }


def last_admin(ends: dict[str, int | None], warn_days: int, now: float) -> Iterator[Finding]:
    """How long the last admin gets in; nothing where one has no end. The end of a day is midnight, UTC, as for sshd."""
    known = [end for end in ends.values() if end is not None]
    if not known or len(known) < len(ends):
        return
    end = min(max(known), FAR)
    days = end - now / 86400
    # `warn_days` before the last valid day, as the preflight counts it, and that day itself.
    level = falling(days, {"warn": warn_days + 1, "fail": LAST_DAYS})
    names = ", ".join(name for name, one in ends.items() if one == max(known))
    text = f"{names} until {date(1970, 1, 1) + timedelta(days=end - 1)}"
    if level != "ok":
        when = f"closes in {days:.1f} days" if days > 0 else f"closed {-days:.1f} days ago"
        todo = "verify somebody again, write a later `until` in people, and run playbooks/site.yml"
        text = f"{text}: THE LAST ADMIN DOOR of this host {when}; {todo}"
    yield finding("admin", "last", level, text, round(days, 1))


def look(orders: dict[str, Any]) -> list[Finding]:
    """Everything that was looked at, the worst first."""
    limits = orders["limits"]
    found = [
        *disks(limits), *memory(limits), *clock(limits), *certificates(limits), *failed_units(),
        *loops(time.clock_gettime(time.CLOCK_MONOTONIC)), *upgrades(limits),
        *last_admin(admin_ends(), orders["admin_warn_days"], time.time()),
    ]  # fmt: skip
    if orders["backup"]:
        found += backups(limits)
    return sorted(found, key=lambda one: (-LEVELS[one["level"]], one["check"], one["subject"]))


def exposition(found: list[Finding], at: float) -> str:
    """The same in Prometheus' words."""

    def line(metric: str, one: Finding, value: float) -> str:
        subject = one["subject"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{metric}{{check="{one["check"]}",subject="{subject}"}} {value:g}'

    lines = ["# HELP holdfast_health_level 0 well, 1 a warning, 2 a failure.", "# TYPE holdfast_health_level gauge"]
    lines += [line("holdfast_health_level", one, LEVELS[one["level"]]) for one in found]
    lines += [
        "# HELP holdfast_health_value What was measured, in the unit of its limit.",
        "# TYPE holdfast_health_value gauge",
    ]
    lines += [line("holdfast_health_value", one, one["value"]) for one in found if one["value"] is not None]
    lines += ["# HELP holdfast_health_time_seconds When it was looked at.", "# TYPE holdfast_health_time_seconds gauge"]
    return "\n".join([*lines, f"holdfast_health_time_seconds {at:.0f}", ""])


def replace(path: str, text: str) -> None:
    """Write a file that readers never see half of."""
    with open(f"{path}.new", "w", encoding="utf-8") as handle:
        handle.write(text)
        os.fchmod(handle.fileno(), 0o644)
    os.rename(f"{path}.new", path)


def main() -> int:
    """Look, say it, write it down."""
    with open(ORDERS, encoding="utf-8") as handle:
        found = look(json.load(handle))
    at = time.time()
    for one in found:
        if one["level"] in ("warn", "fail"):
            print(f"{one['level']}: {one['check']} {one['subject']}: {one['text']}")
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    replace(RESULT, json.dumps({"time": stamp, "findings": found}, indent=1) + "\n")
    if os.path.isdir(COLLECTOR):
        replace(f"{COLLECTOR}/holdfast.prom", exposition(found, at))
    return 1 if any(one["level"] == "fail" for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
