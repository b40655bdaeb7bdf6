"""Install updates now: what is pending, with versions and reasons; then what runs old code, and whether all is well."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import apt_state
import changelogs
import installed_packages
import maintenance_locks
import old_libraries
import reboot_need
import tracker
from commands import LOCK_WAIT, Problem, must, printable, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"^[a-z0-9][a-z0-9+.-]+$")
FIELDS = "${Package} ${Architecture} ${Version} ${source:Package} ${source:Version}"
# What a dry run of unattended-upgrades would give to dpkg. apt's own candidate may be another version: one of a source
# whose updates are not installed unattended.
UNPACKS = re.compile(r"^/usr/bin/dpkg .*--unpack .*?(/\S+\.deb)\s*$", re.MULTILINE)
# Told to be the time of the last unattended upgrade; a dry run sets it, too.
STAMP = "/var/lib/apt/periodic/unattended-upgrades-stamp"
INSTALL_SECONDS = 3600
LOCK_SECONDS = 300
CHECK = "holdfast-updates-check.service"
# A reading of the whole host every five minutes, of its disks, certificates and backups too: told, and no verdict on a
# patch, amid which it may come. Units that a patch breaks are seen without it.
READING = "holdfast-health.service"


@dataclass
class Pending:
    """One package that can be upgraded, or comes with such a one: without ``installed`` and ``source`` then."""

    package: str
    installed: str
    candidate: str
    changes: changelogs.Changes
    source: tracker.Upgrade | None = None

    def __str__(self) -> str:
        """For people."""
        days, cves = self.changes.days, self.changes.cves
        more = [*([f"available for {days} days"] if days is not None else []), *([", ".join(cves)] if cves else [])]
        step = f"{self.package} {self.installed or '(new)'} -> {self.candidate}"
        return f"{step} ({'; '.join(more)})" if more else step


def pending(package: str) -> tuple[list[Pending], str]:
    """What would be installed, and what to say where that is nothing.

    With a name: of every installed package that is called so, or whose source is. Without: what unattended-upgrades
    itself chooses.
    """
    if package:
        return _pending_of(package)
    with _same_time(STAMP):
        text = _unattended_upgrade("--dry-run")
    return _of(sorted(set(UNPACKS.findall(text)))), "nothing is pending"


def _unattended_upgrade(*options: str) -> str:
    """Run unattended-upgrades once nobody has apt's locks: it asks for them a single time."""
    maintenance_locks.wait_for_apt(LOCK_SECONDS)
    return must("unattended-upgrade", *options, "--verbose", seconds=INSTALL_SECONDS)


def _pending_of(name: str) -> tuple[list[Pending], str]:
    if not NAME.match(name):
        raise Problem(f"{name!r} is no name of a package")
    everything = installed_packages.installed()
    ours = installed_packages.named(name, everything)
    if not ours:
        installed_packages.must_be_known(name, everything)
        return [], f"{name} is not installed on this host"
    policy = must("apt-cache", "policy", "--", *(one.name for one in ours))
    found = installed_packages.candidates(policy)
    wanted = [f"{one.name}={found[one.name]}" for one in ours if changelogs.newer(found[one.name], one.version)]
    if not wanted:
        return [], f"up to date: {', '.join(f'{one.name} {one.version}' for one in ours)}"
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, "_apt")  # apt fetches as this user
        must("sh", "-c", 'cd "$0" && exec apt-get -q download "$@"', folder, *wanted, seconds=INSTALL_SECONDS)
        return _of(sorted(glob.glob(f"{folder}/*.deb"))), ""


@contextlib.contextmanager
def _same_time(path: str) -> Iterator[None]:
    """Leave a file's time as it is, or the file not there."""
    before = os.stat(path).st_mtime if os.path.exists(path) else None
    try:
        yield
    finally:
        if before is not None:
            os.utime(path, (before, before))
        elif os.path.exists(path):
            os.unlink(path)


def _of(debs: list[str]) -> list[Pending]:
    """What package files bring."""
    native, before = installed_packages.native_architecture(), installed_packages.by_name()
    found = []
    for deb in debs:
        fields = must("dpkg-deb", "--show", "--showformat", FIELDS, deb).splitlines()[-1]  # warnings come before
        package, architecture, candidate, source, source_version = fields.split(" ")
        name = installed_packages.apt_name(package, architecture, native)
        old = before.get(name)
        if not old:
            found.append(Pending(name, "", candidate, changelogs.Changes()))
            continue
        changes = changelogs.since(changelogs.changelog(deb), old.version)
        upgrade = tracker.upgrade_of(source, old, source_version, candidate)
        found.append(Pending(name, old.version, candidate, changes, upgrade))
    return found


def listing(package: str, *, fetch: bool) -> dict[str, Any]:
    """Tell what is pending; without ``fetch`` by the package lists as they are."""
    with maintenance_locks.no_daily_job(LOCK_SECONDS):
        if fetch:
            maintenance_locks.wait_for_apt(LOCK_SECONDS)  # apt itself does not wait for the lock of its lists
            must("apt-get", "-q", "--error-on=any", *LOCK_WAIT, "update", seconds=600)
        # The lists themselves carry the mirror's time.
        fetched = time.gmtime(os.stat("/var/lib/apt/lists/partial").st_mtime)
        wanted, otherwise = pending(package)
    _, old = old_libraries.sorted_out(old_libraries.look())
    return {
        "lines": [str(entry) for entry in wanted],
        "otherwise": otherwise,
        # For the security tracker, which knows sources.
        "upgrades": [asdict(one) for one in sorted({entry.source for entry in wanted if entry.source})],
        "as_of": time.strftime("%Y-%m-%d %H:%M UTC", fetched),
        "reboot": _reboot(old),
    }


def _reboot(old: old_libraries.Restarted) -> list[str]:
    """Why the host needs a reboot."""
    return reboot_need.reasons() + [f"runs old code: {one}" for one in old.reboot]


def install(package: str, held: list[str]) -> dict[str, Any]:
    """Install what is pending, restart what runs old code, and tell whether the host is well afterwards."""
    before = failed_units()
    with maintenance_locks.no_daily_job(LOCK_SECONDS), maintenance_locks.held(LOCK_SECONDS, apt=False):
        wrong_before = apt_state.package_problems(held)
        wanted, _ = pending(package)
        left = _install(package, wanted)
        unwell = [f"not installed: {', '.join(left)}"] if left else []
        restarted = old_libraries.Restarted([], [], [], [])
        try:
            restarted = old_libraries.restart()
        except Problem as problem:
            unwell.append(str(problem))
    unwell += restarted.wrong
    if CHECK in before and not unwell:
        run("systemctl", "start", CHECK, seconds=300)  # mended, perhaps; where not, it is among the failed ones below
    failed = failed_units()
    reboot = _reboot(restarted)
    lines = [f"installed: {entry}" for entry in wanted if entry.package not in left]
    lines += [f"restarted: {one}" for one in restarted.units]
    lines += [f"runs old code until it ends: {one}" for one in restarted.sessions]
    lines += [f"needs a reboot: {one}" for one in reboot] or ["needs no reboot"]
    wrong = apt_state.package_problems(held)
    besides = {*before, READING}
    others = [_last_words(unit) for unit in failed if unit in besides] + [one for one in wrong if one in wrong_before]
    lines += [f"not by this patch: {one}" for one in others]
    unwell += [_last_words(unit) for unit in failed if unit not in besides]
    unwell += [one for one in wrong if one not in wrong_before] + apt_state.full_disk()
    return {"lines": lines, "unwell": unwell, "reboot": reboot}


def _install(package: str, wanted: list[Pending]) -> list[str]:
    """Install it; return the names of what did not come."""
    if package and wanted:
        argv = ["apt-get", "-qy", *LOCK_WAIT, "install", "--only-upgrade"]
        must(*argv, *(f"{entry.package}={entry.candidate}" for entry in wanted), seconds=INSTALL_SECONDS)
    elif wanted:
        _unattended_upgrade()
        apt_state.mark_upgrade()
    there = {one.name: one.version for one in installed_packages.installed()}
    return [entry.package for entry in wanted if there.get(entry.package) != entry.candidate]


def failed_units() -> list[str]:
    """Units that have failed; without descriptions, which may be mounts', with a user's words."""
    text = must("systemctl", "show", "--state=failed", "-p", "Id", "--", "*")
    return [line.removeprefix("Id=") for line in text.split("\n") if line]


def _last_words(unit: str) -> str:
    _, said = run("journalctl", "-u", unit, "-n", "3", "-o", "cat", "--no-pager")
    words = " / ".join(printable(line) for line in said.split("\n"))
    return f"{unit} has failed: {words}"
