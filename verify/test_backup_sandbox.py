"""The backup program sees what it backs up, and nothing else of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty
from verify.test_backup import declared

if TYPE_CHECKING:
    from verify.target import Target

# What every program needs, what everybody may read, and what is the backups' own.
ORDINARY: Final = {
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ssl", "/etc/localtime", "/etc/passwd", "/etc/group",
    "/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf", "/etc/holdfast/backup", "/run/holdfast/locks",
}  # fmt: skip
OWN: Final = {"/var/lib/holdfast/backup", "/var/cache/holdfast-backup"}


def mounted(binds: str) -> set[str]:
    """Return the sources of systemd's list of bind mounts, SOURCE:TARGET:OPTIONS with `-` where one may be missing."""
    return {word.removeprefix("-").split(":")[0] for word in binds.split()}


def test_root(target: Target) -> None:
    """Its root directory is empty but for what is declared, which it cannot change."""
    wanted = set(declared(target))
    unit = target.inside()["backup"]["unit"]
    assert "/:ro" in unit.get("TemporaryFileSystem", "").split(), "it sees the host's own root directory"
    assert not unit.get("RootDirectory"), f"its root directory is {unit['RootDirectory']}"
    seen, changed = mounted(unit.get("BindReadOnlyPaths", "")), mounted(unit.get("BindPaths", ""))
    place = target.expected.backup_repository
    own = OWN | ({f"{place}/{target.name}"} if place.startswith("/") else set())
    problems = [f"it sees {path}, which nobody declared" for path in sorted(seen - wanted - ORDINARY)]
    problems += [f"it can change {path}" for path in sorted(changed - own)]
    problems += [f"it does not see {path}" for path in sorted(wanted - seen)]
    empty(problems, "the backups' unit is not as declared")


def test_account(target: Target) -> None:
    """It runs under an account of its own, which may read all that it sees and do nothing else."""
    declared(target)
    unit = target.inside()["backup"]["unit"]
    assert unit.get("User") == "holdfast-backup", f"it runs as {unit.get('User') or 'root'}"
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert unit.get(key, "").split() == ["cap_dac_read_search"], f"{key} is {unit.get(key)!r}"
