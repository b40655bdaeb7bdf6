"""What keeps a host from its updates: an old or failed run, a broken or held package, a full disk."""

from __future__ import annotations

import os
import time
from typing import Any

from commands import SETTINGS, properties, run

STAMPS = "/var/lib/apt/periodic"
LOG = "/var/log/unattended-upgrades/unattended-upgrades.log"
UPGRADE = "apt-daily-upgrade.service"
ROOM = 300 * 1024 * 1024  # bytes: a kernel package with its unpacked modules
INODES = 5000
DAY = 86400


def problems(settings: dict[str, Any]) -> list[str]:
    """Everything that somebody has to mend, each in one sentence."""
    return [*age_problems(settings), *failed_run(), *package_problems(settings["held"]), *full_disk()]


def package_problems(held: list[str]) -> list[str]:
    """What is wrong with packages, whatever ran when."""
    return [*broken(), *holds(held)]


def _stamp(name: str) -> float | None:
    try:
        return os.stat(f"{STAMPS}/{name}").st_mtime
    except FileNotFoundError:
        return None


def mark_upgrade() -> None:
    """Tell that unattended-upgrades has just succeeded, as Debian's job does after it."""
    with open(f"{STAMPS}/upgrade-stamp", "ab") as handle:
        os.utime(handle.fileno())


def age_problems(settings: dict[str, Any]) -> list[str]:
    """Tell what has not succeeded for too long. What never did counts from the day on which it was set up."""
    found = []
    for name, what in (("update-stamp", "fetching all package lists"), ("upgrade-stamp", "unattended-upgrades")):
        stamp = _stamp(name)
        days = (time.time() - (stamp or os.stat(SETTINGS).st_mtime)) / DAY
        if days > settings["max_age_days"]:
            when = f"last succeeded {days:.0f} days ago" if stamp else f"never succeeded in {days:.0f} days"
            found.append(f"{what} {when}; allowed are {settings['max_age_days']}")
    return found


def failed_run() -> list[str]:
    """Tell whether the last run failed: Debian's job exits with 0 all the same, and only leaves its stamp untouched."""
    state = properties(UPGRADE, "SubState", "ExecMainStartTimestamp")
    started = float(state["ExecMainStartTimestamp"].lstrip("@") or 0)
    stamp = _stamp("upgrade-stamp") or 0
    if state["SubState"] == "start" or not started or stamp >= started:
        return []
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started))
    return [f"the upgrade that began {when} failed: {last_error() or f'see journalctl -u {UPGRADE}'}"]


def last_error() -> str:
    """The last error that the last run of unattended-upgrades wrote into its log."""
    found = ""
    try:
        with open(LOG, encoding="utf-8", errors="replace") as handle:
            for line in handle:
                if " Starting unattended upgrades script" in line:
                    found = ""
                elif " ERROR " in line:
                    found = line.strip()
    except FileNotFoundError:
        pass
    return found


def broken() -> list[str]:
    """Packages that are half installed, or lack what they depend on."""
    found = []
    _, audit = run("dpkg", "--audit")
    if audit:
        found.append(f"dpkg --audit complains: {' '.join(audit.split())[:300]}")
    # Without a lock: another apt may be at work, and nothing is changed here.
    code, text = run("apt-get", "-q", "-o", "Debug::NoLocking=1", "check", seconds=120)
    if code:
        named = [" ".join(line.split()) for line in text.splitlines() if line.startswith(" ")]
        what = ", ".join(named) or text.splitlines()[-1]
        found.append(f"broken dependencies: {what[:300]}; mend with `apt-get -f install`")
    return found


def holds(allowed: list[str]) -> list[str]:
    """Packages that are held back, and were not declared to be."""
    _, text = run("apt-mark", "showhold")
    fix = "`apt-mark unhold` it, or list it in policy.updates.held"
    return [
        f"a held package gets no security updates: {name}; {fix}" for name in sorted(set(text.split()) - set(allowed))
    ]


def full_disk() -> list[str]:
    """Tell where the next upgrade would run out of room."""
    apart = os.stat("/").st_dev != os.stat("/var").st_dev
    found = []
    for path in ("/", "/var") if apart else ("/var",):
        room = os.statvfs(path)
        free = room.f_bavail * room.f_frsize
        if free < ROOM:
            found.append(f"{path} is full: {free // 2**20} MiB free, an upgrade needs {ROOM // 2**20}")
        elif room.f_files and room.f_favail < INODES:
            found.append(f"{path} is full: {room.f_favail} inodes free")
    return found
