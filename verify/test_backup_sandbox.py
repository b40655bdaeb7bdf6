"""The backup program sees what it backs up, and nothing else of the host."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from verify.outcome import empty
from verify.test_backup import declared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verify.target import Target

# What every program needs, what everybody may read, and what is the backups' own.
ORDINARY: Final = {
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ssl", "/etc/localtime", "/etc/passwd", "/etc/group",
    "/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf", "/etc/holdfast/backup", "/run/holdfast/locks",
    "/run/holdfast/backup/refused.json",
}  # fmt: skip
OWN: Final = {"/var/lib/holdfast/backup", "/var/cache/holdfast-backup"}
SOURCES: Final = "holdfast-backup-sources.service"


def mounted(binds: str) -> list[tuple[str, str]]:
    """Return source and target of systemd's bind mounts, SOURCE:TARGET:OPTIONS with `-` where one may be missing."""
    words = [word.removeprefix("-").split(":") for word in binds.split()]
    return [(word[0], word[1] if len(word) > 1 else word[0]) for word in words]


def held(path: str) -> str:
    """Where root alone gets in, and where what was opened without following a link is mounted before a backup."""
    return f"/run/holdfast/backup/{hashlib.sha256(path.encode()).hexdigest()}"


def surplus(binds: str, wanted: Iterable[str]) -> list[str]:
    """Say what it sees beyond what is declared, and what it would see through a link that somebody lays."""
    proper = {(held(path), path) for path in wanted} | {(path, path) for path in ORDINARY}
    problems = []
    for source, place in sorted(set(mounted(binds)) - proper):
        known = place in wanted and source == place
        where = source if source == place else f"{source} as {place}"
        problems.append(
            f"it sees {where} from the path itself: whoever can lay a link there shows it another"
            if known
            else f"it sees {where}, which nobody declared"
        )
    return problems


def test_root(target: Target) -> None:
    """Its root directory is empty but for what is declared, which it cannot change, and in which it follows no link."""
    wanted = set(declared(target))
    unit = target.inside()["backup"]["unit"]
    assert "/:ro" in unit.get("TemporaryFileSystem", "").split(), "it sees the host's own root directory"
    assert not unit.get("RootDirectory"), f"its root directory is {unit['RootDirectory']}"
    assert SOURCES in unit.get("Requires", "").split(), f"{SOURCES} does not mount what it is to see"
    seen, changed = unit.get("BindReadOnlyPaths", ""), {source for source, _ in mounted(unit.get("BindPaths", ""))}
    place = target.expected.backup_repository
    own = OWN | ({f"{place}/{target.name}"} if place.startswith("/") else set())
    problems = surplus(seen, wanted)
    problems += [f"it can change {path}" for path in sorted(changed - own)]
    problems += [f"it does not see {path}" for path in sorted(wanted - {place for _, place in mounted(seen)})]
    empty(problems, "the backups' unit is not as declared")


def test_account(target: Target) -> None:
    """It runs under an account of its own, which may read all that it sees and do nothing else."""
    declared(target)
    unit = target.inside()["backup"]["unit"]
    assert unit.get("User") == "holdfast-backup", f"it runs as {unit.get('User') or 'root'}"
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert unit.get(key, "").split() == ["cap_dac_read_search"], f"{key} is {unit.get(key)!r}"
