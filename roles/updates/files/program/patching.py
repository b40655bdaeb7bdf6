"""Install updates now: what is pending, with versions and reasons; then what runs old code, and whether all is well."""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import apt_state
import changelogs
import maintenance_locks
import old_libraries
import reboot_need
from commands import LOCK_WAIT, Problem, must, run

NAME = re.compile(r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$")
CHOSEN = re.compile(r"Packages that will be upgraded:(.*)")
INSTALL_SECONDS = 3600
LOCK_SECONDS = 300


@dataclass
class Pending:
    """One package that can be upgraded."""

    package: str
    installed: str
    candidate: str
    changes: changelogs.Changes = field(default_factory=changelogs.Changes)

    def __str__(self) -> str:
        """For people."""
        days, cves = self.changes.days, self.changes.cves
        more = [*([f"available for {days} days"] if days is not None else []), *([", ".join(cves)] if cves else [])]
        return f"{self.package} {self.installed} -> {self.candidate}" + (f" ({'; '.join(more)})" if more else "")


def pending(package: str) -> list[Pending]:
    """What would be installed: one package, or without a name what unattended-upgrades itself chooses."""
    if package and not NAME.match(package):
        raise Problem(f"{package!r} is no name of a package")
    names = [package] if package else _chosen()
    found = [entry for entry in map(_versions, names) if entry]
    _tell_changes(found)
    return found


def _chosen() -> list[str]:
    text = must("unattended-upgrade", "--dry-run", "--verbose", seconds=INSTALL_SECONDS)
    return sorted({name for line in CHOSEN.findall(text) for name in line.split()})


def _versions(name: str) -> Pending | None:
    """The versions of a package; None when it is not installed here, or as new as can be."""
    text = must("apt-cache", "policy", "--", name)
    found = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", text, re.MULTILINE))
    installed, candidate = found.get("Installed", "(none)"), found.get("Candidate", "(none)")
    if "(none)" in (installed, candidate) or not changelogs.newer(candidate, installed):
        return None
    return Pending(name, installed, candidate)


def _tell_changes(found: list[Pending]) -> None:
    """Read each new package's changelog; the packages are fetched into a folder that is removed again."""
    if not found:
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, "_apt")
        here = os.getcwd()
        os.chdir(folder)
        try:
            must("apt-get", "-q", "download", *[f"{p.package}={p.candidate}" for p in found], seconds=INSTALL_SECONDS)
        finally:
            os.chdir(here)
        for entry in found:
            name, version = entry.package.partition(":")[0], entry.candidate.replace(":", "%3a")
            deb = glob.glob(f"{glob.escape(folder)}/{glob.escape(f'{name}_{version}_')}*.deb")[0]
            entry.changes = changelogs.since(changelogs.changelog(deb), entry.installed)


def listing(package: str, *, fetch: bool) -> dict[str, Any]:
    """Tell what is pending; without ``fetch`` by the package lists as they are."""
    if fetch:
        must("apt-get", "-q", *LOCK_WAIT, "update", seconds=600)
    found = pending(package)
    return {"pending": [asdict(entry) for entry in found], "lines": [str(entry) for entry in found], "as_of": _as_of()}


def _as_of() -> str:
    """When the package lists were last fetched."""
    times = [os.stat(path).st_mtime for path in glob.glob("/var/lib/apt/lists/*Release")]
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(max(times))) if times else "never"


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
    reboot = reboot_need.reasons() + [f"runs old code: {one}" for one in restarted.reboot]
    lines = [f"installed: {one}" for one in installed] + [f"restarted: {one}" for one in restarted.units]
    lines += [f"runs old code until it ends: {one}" for one in restarted.sessions]
    lines += [f"needs a reboot: {one}" for one in reboot] or ["needs no reboot"]
    return {"lines": lines, "unwell": unwell + failed_units() + apt_state.package_problems(held)}


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
