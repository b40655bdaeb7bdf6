"""Nobody is in a group that amounts to being root, except declared admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

POWERFUL: Final = {
    "docker": "starts containers that see the whole host",
    "lxd": "starts containers that see the whole host",
    "incus-admin": "starts containers that see the whole host",
    "libvirt": "starts machines with the host's disks",
    "kvm": "opens the machine monitor",
    "disk": "reads and writes raw disks",
    "shadow": "reads password hashes",
    "sudo": "is given sudo by the distribution",
    "wheel": "is taken for administrators by many programs",
    "admin": "is given sudo by some images",
    "adm": "reads all logs",
    "systemd-journal": "reads all logs",
    "kmem": "reads the kernel's memory",
    "root": "is root's own group",
    "staff": "writes /usr/local",
    "holdfast-admin": "is given sudo by holdfast",
    "holdfast-nopasswd": "is given sudo without a password by holdfast",
}


def test_members_are_admins(target: Target) -> None:
    """Groups that equal root have no other member."""
    facts = target.inside()
    allowed = {"root", *target.expected.sudoers}
    problems = []
    for group, why in POWERFUL.items():
        members = set(facts["groups"].get(group, [])) - allowed
        # Accounts that the distribution puts in root's group by their primary number.
        members -= {"sync", "shutdown", "halt", "operator"} if group == "root" else set()
        problems += [f"{name} is in {group}, which {why}" for name in sorted(members)]
    empty(problems, "root by another way")


def test_members_are_made_by_root(target: Target) -> None:
    """Nobody else administers such a group, and so puts in whom he likes."""
    administrators = target.inside()["group_administrators"]
    allowed = {"root", *target.expected.sudoers}
    empty(
        [
            f"{name} administers {group}, which {why}"
            for group, why in POWERFUL.items()
            for name in sorted(set(administrators.get(group, [])) - allowed)
        ],
        "root by another way",
    )
