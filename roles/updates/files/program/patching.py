"""Install updates now: what is pending, with versions and reasons; then what runs old code, and whether all is well."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apt_state
import changelogs
import maintenance_locks
import old_libraries
import reboot_need
from commands import LOCK_WAIT, Problem, must, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"^[a-z0-9][a-z0-9+.-]+$")
POLICY = re.compile(r"^  (Installed|Candidate): (\S+)$", re.MULTILINE)
# What a dry run of unattended-upgrades would give to dpkg. apt's own candidate may be another version: one of a source
# whose updates are not installed unattended.
UNPACKS = re.compile(r"^/usr/bin/dpkg .*--unpack .*?(/\S+\.deb)\s*$", re.MULTILINE)
# Told to be the time of the last unattended upgrade; a dry run sets it, too.
STAMP = "/var/lib/apt/periodic/unattended-upgrades-stamp"
INSTALL_SECONDS = 3600
LOCK_SECONDS = 300


@dataclass
class Pending:
    """One package that can be upgraded."""

    package: str
    installed: str
    candidate: str
    changes: changelogs.Changes

    def __str__(self) -> str:
        """For people."""
        days, cves = self.changes.days, self.changes.cves
        more = [*([f"available for {days} days"] if days is not None else []), *([", ".join(cves)] if cves else [])]
        return f"{self.package} {self.installed} -> {self.candidate}" + (f" ({'; '.join(more)})" if more else "")


def pending(package: str) -> list[Pending]:
    """What would be installed: one package, or without a name what unattended-upgrades itself chooses."""
    if not package:
        with _same_time(STAMP):
            text = must("unattended-upgrade", "--dry-run", "--verbose", seconds=INSTALL_SECONDS)
        return [_of(deb) for deb in sorted(set(UNPACKS.findall(text)))]
    if not NAME.match(package):
        raise Problem(f"{package!r} is no name of a package")
    policy = dict(POLICY.findall(must("apt-cache", "policy", "--", package)))
    installed, candidate = policy.get("Installed", "(none)"), policy.get("Candidate", "(none)")
    if "(none)" in (installed, candidate) or not changelogs.newer(candidate, installed):
        return []
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, "_apt")  # apt fetches as this user
        fetch = f"cd {folder} && exec apt-get -q download '{package}={candidate}'"
        must("sh", "-c", fetch, seconds=INSTALL_SECONDS)
        return [_of(deb) for deb in glob.glob(f"{folder}/*.deb")]


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


def _of(deb: str) -> Pending:
    """What a package file brings."""
    fields = dict(line.split(": ", 1) for line in must("dpkg-deb", "--field", deb, "Package", "Version").splitlines())
    installed = _version(fields["Package"])
    changes = changelogs.since(changelogs.changelog(deb), installed)
    return Pending(fields["Package"], installed, fields["Version"], changes)


def listing(package: str, *, fetch: bool) -> dict[str, Any]:
    """Tell what is pending; without ``fetch`` by the package lists as they are."""
    if fetch:
        must("apt-get", "-q", "--error-on=any", *LOCK_WAIT, "update", seconds=600)
    # The lists themselves carry the mirror's time.
    fetched = time.gmtime(os.stat("/var/lib/apt/lists/partial").st_mtime)
    lines = [str(entry) for entry in pending(package)]
    _, old = old_libraries.sorted_out(old_libraries.look())
    return {"lines": lines, "as_of": time.strftime("%Y-%m-%d %H:%M UTC", fetched), "reboot": _reboot(old)}


def _reboot(old: old_libraries.Restarted) -> list[str]:
    """Why the host needs a reboot."""
    return reboot_need.reasons() + [f"runs old code: {one}" for one in old.reboot]


def install(package: str, held: list[str]) -> dict[str, Any]:
    """Install what is pending, restart what runs old code, and tell whether the host is well afterwards."""
    with maintenance_locks.held(LOCK_SECONDS, apt=False):
        wanted = pending(package)
        if package and wanted:
            argv = ["apt-get", "-qy", *LOCK_WAIT, "install", "--only-upgrade", f"{package}={wanted[0].candidate}"]
            must(*argv, seconds=INSTALL_SECONDS)
        elif wanted:
            must("unattended-upgrade", "--verbose", seconds=INSTALL_SECONDS)
        left = [entry.package for entry in wanted if _version(entry.package) != entry.candidate]
        unwell = [f"not installed: {', '.join(left)}"] if left else []
        restarted = old_libraries.Restarted([], [], [])
        try:
            restarted = old_libraries.restart()
        except Problem as problem:
            unwell.append(str(problem))
    installed = [str(entry) for entry in wanted if entry.package not in left]
    reboot = _reboot(restarted)
    lines = [f"installed: {one}" for one in installed] + [f"restarted: {one}" for one in restarted.units]
    lines += [f"runs old code until it ends: {one}" for one in restarted.sessions]
    lines += [f"needs a reboot: {one}" for one in reboot] or ["needs no reboot"]
    unwell += failed_units() + apt_state.package_problems(held)
    return {"lines": lines, "unwell": unwell, "reboot": reboot}


def _version(package: str) -> str:
    return run("dpkg-query", "-W", "-f", "${Version}", package)[1]


def failed_units() -> list[str]:
    """Units that have failed, with their last words."""
    text = must("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full")
    found = []
    for name in [line.split()[0] for line in text.splitlines() if line.strip()]:
        _, said = run("journalctl", "-u", name, "-n", "3", "-o", "cat", "--no-pager")
        found.append(f"{name} has failed: {' / '.join(said.splitlines())}")
    return found
