"""What a container refuses, now and after a boot: kernel settings, modules, AppArmor, audit, mounts, swap, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hosts.starts import SITE

from .time_server import time_server, wait_until_synchronized

if TYPE_CHECKING:
    from tests.hosts.conftest import Target

SETTINGS = {
    "kernel.kptr_restrict": "2",
    "kernel.core_pattern": "|/bin/false",
    "net.ipv4.conf.eth0.accept_redirects": "0",
    "net.ipv6.conf.eth0.accept_redirects": "0",
    "net.ipv4.conf.eth0.rp_filter": "2",
    # Not ours: with them a host loses its addresses and its containers.
    "net.ipv6.conf.eth0.dad_transmits": "1",
    "net.ipv4.tcp_timestamps": "1",
}


def options(target: Target, place: str) -> set[str]:
    """The options of a mount."""
    return set(target.sh(f"findmnt -no VFS-OPTIONS {place} | tail -n 1").strip().split(","))


def holds(target: Target) -> None:
    """Everything is in force."""
    found = target.sh(f"sysctl -n {' '.join(SETTINGS)}").splitlines()
    assert dict(zip(SETTINGS, found, strict=True)) == SETTINGS
    assert target.sh("modprobe -v sctp 2>&1; grep -c ^sctp /proc/modules", check=False).splitlines()[-1] == "0"
    assert {"nosuid", "nodev"} <= options(target, "/tmp")
    assert "noexec" not in options(target, "/tmp"), "packages run their scripts there"
    assert {"nosuid", "nodev", "noexec"} <= options(target, "/dev/shm")
    name, megabytes = target.sh("swapon --show=NAME,SIZE --bytes --noheadings").split()
    assert name == "/var/lib/holdfast/swapfile"
    assert 128 <= int(megabytes) // 2**20 + 1 <= 1024
    assert target.sh("cat /sys/module/apparmor/parameters/enabled").strip() == "Y"
    assert target.sh("systemctl is-enabled apparmor").strip() == "enabled"
    assert target.sh("cat /sys/kernel/security/apparmor/profiles") != ""
    assert target.sh("systemctl --failed --no-legend --plain") == ""


def audited(target: Target, key: str) -> int:
    """How many events the audit log has under a key."""
    return int(target.sh(f"ausearch --raw -k {key} 2>/dev/null | grep -c type=SYSCALL", check=False))


def test_ground(target: Target) -> None:
    """In force at once and after a boot without a cycle in its order; a change of an account is in the audit log."""
    holds(target)
    before = audited(target, "identity")
    target.sh("useradd --system mallory && userdel mallory")
    assert audited(target, "identity") > before

    with time_server(target):
        target.host.restart()
        wait_until_synchronized(target)
    holds(target)
    assert target.sh("systemctl is-active apparmor").strip() == "active"
    assert "ordering cycle" not in target.sh("journalctl -b --no-pager -o cat _PID=1")
    assert (
        target.sh("auditctl -l | grep -c identity").strip()
        == target.sh("grep -c identity$ /etc/audit/rules.d/60-holdfast.rules").strip()
    )
    assert int(target.sh("journalctl --list-boots --no-pager | wc -l")) > 1, "the journal of the last boot is gone"
    again = target.play(SITE)
    assert again.changed == 0, again.text
