"""How hosts start out in the tests, and what a run may not have touched."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import yaml

from lab import inventory

from .condition import SCRIPT
from .conftest import HOST, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Hardened

SITE = "playbooks/site.yml"
OVER_TO_THE_SOCKET = "systemctl disable --now ssh.service; systemctl enable --now ssh.socket"
UNITS = "systemctl is-active ssh.service ssh.socket; systemctl is-enabled ssh.service ssh.socket"
# Logins that the host has refused, by its own journal.
REFUSED = "journalctl -q -t sshd -t sshd-session -g 'by (authenticating|invalid) user' -o cat --no-pager | wc -l"
# What systemd, dbus, a login's own record and the health check write all the time.
UNRELATED = "/var/lib/(systemd|private|wtmpdb|lastlog|dbus|chrony|holdfast/health)"
MARK = "touch /run/mark; sleep 0.05"
TOUCHED = (
    "find /etc /usr /opt /root /home /var/lib /var/spool -xdev -cnewer /run/mark ! -type d"
    f" | grep -vE '^{UNRELATED}' | sort -u; ls /tmp /var/tmp | grep -v systemd-private; cut -d: -f1,3 /etc/passwd"
)
# A package without content: NAME, and what it depends on.
PACKAGE = """
mkdir -p /root/{0}/DEBIAN
cat > /root/{0}/DEBIAN/control <<'END'
Package: {0}
Version: 1
Architecture: all
Maintainer: nobody <root@localhost>
{1}Description: nothing
END
dpkg-deb --build --root-owner-group /root/{0} /root/{0}.deb > /dev/null && dpkg -i /root/{0}.deb
"""


class Witness:
    """Tells whether anything on a host was changed since this was made."""

    def __init__(self, target: Target) -> None:
        """Look at the host now."""
        self.target = target
        target.sh(MARK)
        self.before = self._look()

    def _look(self) -> str:
        return self.target.sh(SCRIPT) + self.target.sh(TOUCHED)

    def assert_untouched(self) -> None:
        """Fail with the lines that differ."""
        after = self._look()
        changed = set(after.splitlines()) ^ set(self.before.splitlines())
        assert after == self.before, "\n".join(sorted(changed)) or "the order of lines"


def own(target: Target, folder: Path) -> Target:
    """Give the hardened host an inventory that the test may edit; what is pinned and remembered comes along."""
    old = target.inventory
    copy = folder / "inventory"
    shutil.copytree(old.path, copy, ignore=shutil.ignore_patterns("locks", "ssh_config"))
    keys = {name: copy / "keys" / path.name for name, path in old.keys.items()}
    written = inventory.Inventory(copy, old.operator, old.secrets, keys)
    return Target(target.host, written, dict(target.environment), target.patience)


def same_people(hardened: Hardened, written: inventory.Inventory) -> None:
    """Copy people, keys and secrets of the hardened host's inventory, so that its copies count as converged."""
    for name in ("group_vars/all/people.yml", "group_vars/all/vault.yml"):
        (written.path / name).write_bytes((hardened.inventory.path / name).read_bytes())
    for path in (hardened.inventory.path / "keys").iterdir():
        (written.path / "keys" / path.name).write_bytes(path.read_bytes())


def edit(target: Target, file: str, change: Callable[[Any], None]) -> None:
    """Edit a file of the inventory: ``change`` is given what it holds, and changes it in place."""
    path = target.inventory.path / file
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def edit_host(target: Target, **values: Any) -> None:
    """Lay these keys over the ``host`` dict of the host."""
    edit(target, f"host_vars/{target.host.name}.yml", lambda data: data["host"].update(values))


def edit_person(target: Target, name: str, **values: Any) -> None:
    """Lay these keys over a declared person."""

    def change(data: Any) -> None:
        next(person for person in data["people"] if person["name"] == name).update(values)

    edit(target, "group_vars/all/people.yml", change)


def pinned(target: Target) -> str:
    """The known_hosts file that the runs keep for the host."""
    path = target.inventory.path / "known_hosts" / HOST
    return path.read_text(encoding="utf-8") if path.exists() else ""
