"""What Debian's security tracker says of an upgrade: the CVE ids that it fixes.

The tracker names a source and, by release, the version in which each CVE is fixed. Versions are compared here, by dpkg.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import changelogs

if TYPE_CHECKING:
    from installed_packages import Binary

# Debian builds its kernel twice: unsigned from the source that the tracker knows, and signed by one of this name, whose
# packages have the first one's version.
SIGNED_KERNEL = "linux-signed-"


@dataclass(frozen=True, order=True)
class Upgrade:
    """A source of which something is upgraded, and its versions: a package's own may be another one."""

    source: str
    installed: str
    candidate: str


def upgrade_of(source: str, old: Binary, source_version: str, candidate: str) -> Upgrade:
    """Return which source is upgraded with a package, as the tracker knows it. ``candidate``: the package's version."""
    if source.startswith(SIGNED_KERNEL):
        return Upgrade("linux", old.version, candidate)
    return Upgrade(source, old.source_version, source_version)


def fixed(one: Upgrade, fixes: dict[str, str]) -> list[str]:
    """CVE ids that are open in the installed version and not in the next one, by the versions that fix them."""
    newer = functools.cache(changelogs.newer)  # a kernel has thousands of CVE ids, fixed in dozens of versions
    found = [
        cve for cve, version in fixes.items() if newer(version, one.installed) and not newer(version, one.candidate)
    ]
    return sorted(found, key=lambda cve: [int(part) for part in cve.split("-")[1:]])


def lines(asked: dict[str, Any]) -> list[str]:
    """Tell of each of the ``upgrades`` what it fixes, by ``fixes``: for a source its CVE ids and their versions."""
    told = []
    for one in (Upgrade(**entry) for entry in asked["upgrades"]):
        known = asked["fixes"].get(one.source)
        cves = "unknown to it" if known is None else ", ".join(fixed(one, known)) or "no CVE id"
        told.append(f"{one.source} {one.installed} -> {one.candidate}: {cves}")
    return told
