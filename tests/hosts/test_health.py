"""The health check on a real host: each thing that can go wrong is provoked, and said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Target

pytestmark = pytest.mark.slow

RESULT = "/var/lib/holdfast/health/health.json"
SMALL = "mkdir -p /mnt/small; mount -t tmpfs -o size=1m,nr_inodes=20 small /mnt/small"
# fspick, fsconfig "ro", reconfigure: mount(2) would change the mount with it.
TURN = """import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
context = libc.syscall(433, -100, sys.argv[1].encode(), 0)
done = [libc.syscall(431, context, 0, b"ro", None, 0), libc.syscall(431, context, 7, None, None, 0)]
sys.exit(os.strerror(ctypes.get_errno()) if context < 0 or any(done) else 0)"""
LIVE = "/etc/letsencrypt/live/blog"
CERTIFICATE = (
    f"mkdir -p {LIVE}; openssl req -x509 -newkey ed25519 -nodes -subj /CN=blog -keyout /dev/null"
    f" -out {LIVE}/fullchain.pem -days {{}} 2>/dev/null"
)
UPGRADES = (
    "touch /usr/bin/unattended-upgrade; cd /var/lib/apt; mkdir -p periodic;"
    " touch -d '{}' periodic/unattended-upgrades-stamp"
)


def look(target: Target) -> tuple[str, dict[tuple[str, str], dict[str, Any]]]:
    """Let the host look at itself; return the unit's result and the findings by check and subject."""
    # Started more often than five times in ten seconds a unit is refused.
    target.sh("systemctl reset-failed holdfast-health.service; systemctl start holdfast-health.service", check=False)
    result = target.sh("systemctl show -p Result --value holdfast-health.service").strip()
    found = json.loads(target.sh(f"cat {RESULT}"))["findings"]
    return result, {(one["check"], one["subject"]): one for one in found}


def levels(target: Target, *wanted: tuple[str, str]) -> list[str]:
    """The unit's result, and the levels of some findings; a failure makes the unit fail."""
    result, found = look(target)
    failures = [one for one in found.values() if one["level"] == "fail"]
    assert (result == "success") == (not failures), (result, failures)
    return [result, *(found[one]["level"] for one in wanted)]


def test_a_healthy_host(target: Target) -> None:
    """Nothing fails, what cannot be told of a container is said, and the timer is on."""
    result, found = look(target)
    assert result == "success", [one for one in found.values() if one["level"] == "fail"]
    assert found["clock", "host"]["text"] == "a container has the clock of its host"
    assert {"disk", "inodes", "memory", "clock", "units", "updates", "backup"} <= {check for check, _ in found}
    timer = target.sh("systemctl is-enabled holdfast-health.timer; systemctl is-active holdfast-health.timer")
    assert timer.split() == ["enabled", "active"]


def test_disk_and_inodes(target: Target) -> None:
    """A small file system that fills: first a warning, then a failure, then well again."""
    target.sh(SMALL)
    disk, inodes = ("disk", "/mnt/small"), ("inodes", "/mnt/small")
    assert levels(target, disk, inodes) == ["success", "ok", "ok"]
    target.sh("head -c 870000 /dev/zero > /mnt/small/a")
    assert levels(target, disk) == ["success", "warn"]
    target.sh("head -c 1000000 /dev/zero > /mnt/small/a")
    assert levels(target, disk) == ["exit-code", "fail"]
    target.sh("rm /mnt/small/a; for i in $(seq 18); do : > /mnt/small/$i; done")
    assert levels(target, disk, inodes) == ["exit-code", "ok", "fail"]
    said = target.sh("journalctl --sync; journalctl -o cat --no-pager -u holdfast-health.service")
    assert "warn: disk /mnt/small: " in said
    assert "fail: inodes /mnt/small: " in said
    target.sh("rm /mnt/small/*")
    assert levels(target, disk, inodes) == ["success", "ok", "ok"]


def test_a_disk_that_the_kernel_made_read_only(target: Target) -> None:
    """Its mount is still to be written to, the file system is not; one that was mounted read-only is nobody's fault."""
    target.sh(f"{SMALL}; mkdir -p /mnt/meant; mount -t tmpfs -o ro meant /mnt/meant")
    assert levels(target, ("disk", "/mnt/small")) == ["success", "ok"]
    # As the kernel does it: a remount of the file system alone.
    target.host.exec(["python3", "-c", TURN, "/mnt/small"])
    result, found = look(target)
    assert result == "exit-code"
    assert [path for (check, path), one in found.items() if check == "disk" and one["level"] == "fail"] == [
        "/mnt/small"
    ]


def test_units_certificates_and_ages(target: Target) -> None:
    """A failed unit, certificates of every age, an old backup, an old update."""
    target.sh("systemd-run --quiet --wait --unit=doomed false || true")
    assert levels(target, ("unit", "doomed.service")) == ["exit-code", "fail"]
    target.sh("systemctl reset-failed doomed.service")
    lines = "-p Restart=always -p RestartSec=100ms -p StartLimitIntervalSec=0"
    target.sh(f"systemd-run --quiet --unit=loop {lines} false; sleep 3")
    assert levels(target, ("restarts", "loop.service")) == ["exit-code", "fail"]
    target.sh("systemctl stop loop.service")
    assert levels(target, ("restarts", "services")) == ["success", "ok"]
    certificate = ("certificate", f"{LIVE}/fullchain.pem")
    for days, expected in ((90, ["success", "ok"]), (10, ["success", "warn"]), (5, ["exit-code", "fail"])):
        target.sh(CERTIFICATE.format(days))
        assert levels(target, certificate) == expected, days
    target.sh(f"echo none > {LIVE}/fullchain.pem")
    assert levels(target, certificate) == ["exit-code", "fail"]
    target.sh("rm -r /etc/letsencrypt")
    for age, level in (("1 hour", "ok"), ("30 hours", "warn"), ("3 days", "fail")):
        stamp = f"date -u -d '{age} ago' +'{{\"time\": \"%Y-%m-%dT%H:%M:%SZ\"}}'"
        target.sh(f"{stamp} > /var/lib/holdfast/backup/last.json; {UPGRADES.format('now')}")
        assert levels(target, ("backup", "last"))[1] == level, age
    target.sh("rm /var/lib/holdfast/backup/last.json")
    for age, level in (("1 hour ago", "ok"), ("5 days ago", "warn"), ("9 days ago", "fail")):
        target.sh(UPGRADES.format(age))
        assert levels(target, ("updates", "last"))[1] == level, age


def test_the_last_admins_end(target: Target) -> None:
    """It warns and fails by the accounts of this host, without anybody's run; the console's account opens no door."""
    admin = ("admin", "last")

    def end(days: int, *names: str) -> None:
        for name in names:
            target.sh(f"chage -E $(( $(date -u +%s) / 86400 + {days} )) {name}")

    assert levels(target, admin) == ["success", "ok"]
    end(31, "oper", "alice")
    assert levels(target, admin) == ["success", "warn"]
    assert "alice, oper until " in look(target)[1][admin]["text"]
    end(7, "oper", "alice")
    assert levels(target, admin) == ["exit-code", "fail"]
    target.sh("chage -E -1 alice")
    assert admin not in look(target)[1]


def test_limits_and_prometheus(target: Target) -> None:
    """The policy's limits count, and node-exporter's folder gets the same findings."""
    target.sh("mkdir -p /var/lib/prometheus/node-exporter; echo node > /etc/ignored")
    orders = json.loads(target.sh("cat /etc/holdfast/health.json"))
    orders["limits"]["memory"] = {"warn": 0, "fail": 100}
    target.host.exec(
        ["install", "-m", "0644", "/dev/stdin", "/etc/holdfast/health.json"], stdin=json.dumps(orders).encode()
    )
    assert levels(target, ("memory", "host")) == ["success", "warn"]
    lines = target.sh("cat /var/lib/prometheus/node-exporter/holdfast.prom").splitlines()
    assert 'holdfast_health_level{check="memory",subject="host"} 1' in lines
    assert target.sh("stat -c %a /var/lib/prometheus/node-exporter/holdfast.prom").strip() == "644"
