"""What befalls a whole host on a kernel of its own: want of memory, a reboot in its window, power loss within a set."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from lab.vm import VirtualHost
from tests.hosts.test_egress import METADATA, NXDOMAIN, QUERY, UNDECLARED_NAME
from tests.hosts.test_fileset import PLAYBOOK, UNIT, put, sample
from tests.hosts.test_services import PORT, ask, instance
from tests.hosts.test_updates import WINDOW, eventually, said
from tests.hosts.traffic import as_account

from .conftest import NAME, NAMED_PORT
from .outside import address, outside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts.conftest import Target

# A name server that gives one address for every name, and a port that takes connections.
NAMED = """
import select, socket, sys
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("0.0.0.0", 53))
door = socket.create_server(("0.0.0.0", int(sys.argv[2])))
print("ready", flush=True)
while sys.stdin not in (ready := select.select([names, door, sys.stdin], [], [], 900)[0]) and ready:
    if door in ready:
        door.accept()[0].close()
    if names in ready:
        asked, whom = names.recvfrom(512)
        question = asked[12:asked.index(0, 12) + 5]
        answers = int(question[-4:-2] == bytes([0, 1]))
        head = asked[:2] + bytes([0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0])
        record = bytes.fromhex("c00c 0001 0001 0000003c 0004") + socket.inet_aton(sys.argv[1])
        names.sendto(head + question + record * answers, whom)
"""
# Tells how a connection went: in the word of the error, when there was one.
KNOCK = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10).close()
    print("open")
except OSError as error:
    print(errno.errorcode.get(error.errno, repr(error)))
"""
TIMERS = (
    "apt-daily-upgrade", "holdfast-updates-check", "holdfast-updates-window", "holdfast-backup",
    "holdfast-backup-check", "holdfast-health",
)  # fmt: skip
# A package as Debian's kernels are: a newer version with a name of its own beside the one that runs.
NEWER_KERNEL = """
set -e
mkdir -p /root/kernel/boot /root/kernel/DEBIAN
cp /boot/vmlinuz-$(uname -r) /root/kernel/boot/vmlinuz-99.0.0-lab
printf 'Package: linux-image-99.0.0-lab\nVersion: 99.0.0-1\nArchitecture: all\nMaintainer: A <a@example.org>\n' \
    > /root/kernel/DEBIAN/control
echo 'Description: a kernel' >> /root/kernel/DEBIAN/control
dpkg-deb -Znone --root-owner-group --build /root/kernel /root/kernel.deb
dpkg --install /root/kernel.deb
rm -r /root/kernel /root/kernel.deb
"""
# Until the next boot the window is in a moment, as if it had been declared so.
TIMER = WINDOW.replace(".service", ".timer")
WINDOW_IS_NOW = f"""
mkdir -p /run/systemd/system/{TIMER}.d
date -u -d '+5 seconds' +'[Timer]%nOnCalendar=%nOnCalendar=%F %T UTC' > /run/systemd/system/{TIMER}.d/now.conf
systemctl daemon-reload && systemctl restart {TIMER}
"""
BOOT = "cat /proc/sys/kernel/random/boot_id"
# Takes memory that cannot be given back unused, from what the group of its own process may have.
EATER = "import sys, time; eaten = b'full' * (int(sys.argv[1]) << 18); print('full', flush=True); time.sleep(600)"


def knock(target: Target, account: str, to: str, port: int) -> str:
    """Open a connection as an account."""
    return target.host.exec([*as_account(account), "python3", "-", to, str(port)], stdin=KNOCK.encode()).stdout.strip()


def assert_it_serves(target: Target) -> None:
    """Services run and answer, each opens the connections that it declares and no others, and every timer waits."""
    for part in ("notes-web", "shop-web"):
        unit = instance(target, part)
        assert target.sh(f"systemctl show -P NRestarts {unit}").strip() == "0"
    assert ask(target) in instance(target, "shop-web")

    assert knock(target, "shop", "127.0.0.1", PORT) == "open"
    assert knock(target, "notes", "127.0.0.1", PORT) == "ECONNREFUSED"
    assert knock(target, "", "127.0.0.1", PORT) == "open"
    with outside(target, NAMED, address(target), str(NAMED_PORT)):
        assert knock(target, "shop", NAME, NAMED_PORT) == "open"
        assert knock(target, "notes", address(target), NAMED_PORT) == "ECONNREFUSED"
        query = [*as_account("shop"), "python3", "-", UNDECLARED_NAME, address(target)]
        assert target.host.exec(query, stdin=QUERY.encode()).stdout.strip() == NXDOMAIN
    assert [knock(target, one, METADATA[0], 80) for one in ("shop", "notes")] == ["ECONNREFUSED"] * 2

    for timer in (*TIMERS, instance(target, "notes-tick").removesuffix(".timer")):
        state = target.sh(f"systemctl show -P UnitFileState -P SubState {timer}.timer").split()
        assert set(state) == {"enabled", "waiting"}, f"{timer}: {state}"
    assert target.sh("systemctl --failed --no-legend --plain") == ""
    assert target.ssh("oper") == 0


def starve(target: Target, part: str) -> str:
    """Let a process of a part take more than the part may have, until systemd has started it again; return the unit."""
    unit = instance(target, part)
    group = target.sh(f"systemctl show -P ControlGroup {unit}").strip()
    within = f"echo $$ > '/sys/fs/cgroup{group}/cgroup.procs' && exec \"$@\""
    target.host.exec(["sh", "-c", within, "sh", "python3", "-c", EATER, "400"], check=False)
    assert eventually(target, f"systemctl is-active {unit} && [ $(systemctl show -P NRestarts {unit}) = 1 ]")
    assert "Failed with result 'oom-kill'" in target.sh(f"journalctl --no-pager -o cat -u {unit}")
    return unit


def reboot_in_the_window(target: Target) -> None:
    """Install a newer kernel, and wait until the host has rebooted by itself because of it."""
    assert isinstance(target.host, VirtualHost)
    target.sh(NEWER_KERNEL)
    before = target.sh(BOOT)
    target.sh(WINDOW_IS_NOW)
    target.host.wait_reboot()
    assert target.sh(BOOT) != before


def assert_no_second_reboot(target: Target) -> None:
    """The window has said why it rebooted, has not failed in it, and has nothing more to do."""
    told = target.sh(f"journalctl --no-pager -o cat -b -1 -u {WINDOW}").splitlines()
    assert "rebooting: installed after the start: vmlinuz-99.0.0-lab" in told
    assert not [line for line in told if "ailed" in line], told
    boot = target.sh(BOOT)
    target.sh(f"systemctl start {WINDOW}")
    assert "restarted: nothing" in said(target, WINDOW)
    assert "rebooting" not in said(target, WINDOW)
    assert target.sh(BOOT) == boot


def lose_power_within_a_set(target: Target, folder: Path) -> None:
    """Half of the files are in place and on the disk, and the power goes."""
    put(target, sample(), folder)
    target.sh("rm /root/handled; echo set-swapping > /run/holdfast-guard.kill-at")
    (folder / "another.json").write_text(json.dumps({"set": sample("echo")}), encoding="utf-8")
    run = target.start(PLAYBOOK, "-e", f"@{folder}/another.json")
    assert eventually(target, "! test -e /run/holdfast-guard.kill-at"), "it was never within the set"
    target.sh("sync")
    target.host.restart(hard=True)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert target.sh(f"grep -c bin/echo {UNIT}; cat /etc/sample.d/new/one.conf").split() == ["1", "true"]


def assert_the_next_run_repairs(target: Target, folder: Path) -> None:
    """What was begun is finished, nothing is left of it, and the run after that changes nothing."""
    assert put(target, sample("echo"), folder).changed
    assert target.sh("cat /etc/sample.d/new/one.conf /root/handled").split() == ["echo", "handled"]
    assert target.sh("systemctl is-enabled sample; systemctl is-active sample").split() == ["enabled", "active"]
    assert target.sh("find /etc -name '.*guard-*'; cd /var/lib/holdfast/sets; ls sample*").split() == ["sample.json"]
    assert not put(target, sample("echo"), folder).changed
