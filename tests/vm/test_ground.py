"""What a container refuses, now and after a boot: kernel settings, modules, AppArmor, audit, mounts, swap, clock."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.hosts.conftest import ROOT
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


def noted(target: Target, search: str) -> str:
    """What the audit log has by a search that a page tells people to do."""
    assert f"`ausearch -i {search}`" in (ROOT / "docs/how-to/base.md").read_text(encoding="utf-8")
    return target.sh(f"ausearch --input-logs -i {search} 2>&1", check=False)


def test_audit_log(target: Target) -> None:
    """An SSH login, a refused one, a command of sudo and a change of its rules are found as the page tells."""
    ssh, *rest = target.ssh_argv("oper", "sudo -n touch /etc/sudoers.d/README", seconds=60)
    subprocess.run([ssh, "-tt", *rest], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)
    assert target.ssh("bob", "true", key="oper") != 0
    came = noted(target, "-m USER_START -x sshd")
    assert [line for line in came.splitlines() if "acct=oper" in line and "res=success" in line], came[-3000:]
    assert "acct=bob" not in came
    assert "acct=bob" in noted(target, "-m USER_LOGIN -sv no")
    ran = noted(target, "-m USER_CMD")
    assert [line for line in ran.splitlines() if "auid=oper" in line and "sudoers.d/README" in line], ran[-3000:]
    changed = noted(target, "-k sudo")
    assert [word for word in ("auid=oper", "/etc/sudoers.d/README") if word not in changed] == [], changed[-3000:]
    recorded = noted(target, "-k logins")
    record = "/run/utmp" if "bookworm" in target.sh("cat /etc/os-release") else "/var/log/wtmp.db"
    wanted = ("auid=oper", "name=/var/log/lastlog ", "name=/var/log/wtmp ", f"{record} ")
    assert [word for word in wanted if word not in recorded] == [], recorded[-3000:]


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
