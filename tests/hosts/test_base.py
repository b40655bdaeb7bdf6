"""The host's ground as people and programs meet it, and the purge of what nobody declared."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from . import reports, starts
from .conftest import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

pytestmark = pytest.mark.slow


def said(target: Target, user: str, command: str) -> str:
    """What a command says to a person who has just logged in over SSH, in a login shell."""
    done = subprocess.run(
        [
            "ssh", "-F", str(target.inventory.path / ".holdfast/ssh_config"), "-i", str(target.inventory.keys[user]),
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-l", user, HOST, f"bash -lc '{command}'",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_ground(target: Target) -> None:
    """People's files are their own, root's are readable to daemons, no core dumps, the host has its name."""
    assert said(target, "bob", "umask; ulimit -c -H; hostname; echo $LANG").split() == ["0027", "0", HOST, "C.UTF-8"]
    assert said(target, "oper", "umask; sudo -n sh -c umask").split() == ["0027", "0022"]
    assert target.sh("bash -lc umask").strip() == "0022"
    assert target.sh(f"getent ahosts {HOST}").strip(), "sudo would wait for a name server"
    units = target.sh("ls /etc/systemd/system/holdfast-* /etc/systemd/system/*.swap").split()
    checked = target.sh(f"systemd-analyze verify --man=no {' '.join(units)} 2>&1 || true")
    assert [line for line in checked.splitlines() if any(unit.rpartition("/")[2] in line for unit in units)] == []
    # What a container refuses has been left by a condition, and has not failed.
    assert target.sh("systemctl --failed --no-legend --plain | grep -E 'holdfast|swap|audit' || true") == ""
    assert target.play(starts.SITE).changed == 0


def test_log_of_sudo(target: Target) -> None:
    """What an admin runs is in the log with the name, before and after a rotation, and is read by root alone."""
    log, first, second = "/var/log/sudo.log", "/usr/bin/printf first", "/usr/bin/printf second"

    def holds(path: str, command: str) -> bool:
        """Whether the log, which breaks its lines, has the command of the admin in it, and root alone reads it."""
        assert target.sh(f"stat -c '%U %G %a' {path}").split() == ["root", "root", "600"]
        return (
            re.search(rf" oper : HOST={HOST} ; .*COMMAND={command}", " ".join(target.sh(f"cat {path}").split()))
            is not None
        )

    assert said(target, "oper", f"sudo -n {first}") == "first"
    assert holds(log, first)
    assert f"COMMAND={first}" in target.sh("journalctl --no-pager -o cat -t sudo")
    assert target.ssh("bob", f"cat {log}") == 1
    assert target.sh("systemctl is-enabled logrotate.timer; systemctl is-active logrotate.timer").split() == [
        "enabled", "active",
    ]  # fmt: skip
    target.sh("logrotate --force /etc/logrotate.conf")
    assert said(target, "oper", f"sudo -n {second}") == "second"
    assert holds(log, second)
    assert not holds(log, first)
    assert holds(f"{log}.1", first)


def test_needrestart_lists_and_asks_nobody(target: Target) -> None:
    """Where it is installed it goes by our file, in the words of its own configuration, and parses it."""
    install = (
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends needrestart"
    )
    target.sh(f"{install} >/dev/null 2>&1")
    told = "print join(q( ), @nrconf{qw(restart ui kernelhints ucodehints)})"
    read = f"our %nrconf; do q(/etc/needrestart/needrestart.conf); die $@ if $@; {told}"
    assert target.sh(f"perl -e '{read}'").split() == ["l", "NeedRestart::UI::stdio", "0", "0"]
    assert "NEEDRESTART-VER" in target.sh("needrestart -b -l </dev/null")
    assert target.play(starts.SITE).changed == 0


def test_kernel_settings_follow_policy(target: Target, tmp_path: Path) -> None:
    """A setting of the policy's own outranks the role's, and goes when it is not declared any more."""
    target = starts.own(target, tmp_path)

    def declare(data: Any) -> None:
        data["policy"]["base"]["sysctl"] = {"kernel.yama.ptrace_scope": "0"}

    starts.edit(target, "group_vars/all/policy.yml", declare)
    assert target.play(starts.SITE).changed == 1
    last = "systemd-analyze cat-config sysctl.d | grep -E '^kernel.yama.ptrace_scope' | tail -n 1"
    assert target.sh(last).strip() == "kernel.yama.ptrace_scope = 0"
    starts.edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].pop("sysctl"))
    assert target.play(starts.SITE).changed == 1
    assert target.sh(last).strip() == "kernel.yama.ptrace_scope = 1"


def test_kernel_settings_changed_by_hand(target: Target, tmp_path: Path) -> None:
    """The next run puts them back and says so; it says, too, what the kernel refuses, and fails for nothing of that."""
    target = starts.own(target, tmp_path)
    # What belongs to the container's own network alone: other settings are those of the machine under it.
    target.sh("mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,rw /proc/sys/net")
    swappiness = int(target.sh("cat /proc/sys/vm/swappiness"))
    refused = {"vm.swappiness": str(swappiness + 1), "vm.no_such_setting": "1"}
    mine = {"net.ipv4.conf.lo.send_redirects": "1", **refused}
    starts.edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(sysctl=mine))
    values = "sysctl -n " + " ".join(f"net.ipv4.conf.{card}.send_redirects" for card in ("all", "eth0", "lo"))
    target.play(starts.SITE)
    assert target.sh(values).split() == ["0", "0", "1"]
    assert target.play(starts.SITE).changed == 0

    target.sh("echo 1 | tee /proc/sys/net/ipv4/conf/*/send_redirects; echo 0 > /proc/sys/net/ipv4/tcp_syncookies")
    assert "would set net.ipv4.conf.eth0.send_redirects to 0: it was 1" in target.play(starts.SITE, "--check").text
    assert target.sh(values).split() == ["1", "1", "1"]
    run = target.play(starts.SITE, "-v")
    assert run.changed == 1
    assert re.search(r"web1: its kernel refuses: .+ and \d+ more", run.text)
    assert target.sh(values + " net.ipv4.tcp_syncookies").split() == ["0", "0", "1", "1"]
    assert f"vm.swappiness stays {swappiness} instead of {swappiness + 1}" in run.text
    assert "vm.no_such_setting is none of its settings" in run.text
    assert target.play(starts.SITE).changed == 0

    target.sh("echo net.ipv4.conf.all.log_martians = 0 > /etc/sysctl.d/10-mine.conf")
    other = {"net.ipv4.conf.all.log_martians": "1", "net.ipv4.conf.eth0.log_martians": "1"}
    starts.edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(sysctl=other))
    target.play(starts.SITE)
    starts.edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].pop("sysctl"))
    ended = target.play(starts.SITE).text
    assert "set net.ipv4.conf.all.log_martians to 0: it was 1" in ended
    assert "net.ipv4.conf.eth0.log_martians is declared no more, and stays 1 until the next start" in ended
    assert target.sh("sysctl -n net.ipv4.conf.all.log_martians net.ipv4.conf.eth0.log_martians").split() == ["0", "1"]
    assert target.play(starts.SITE).changed == 0


# Units that start by themselves: a program, one that a socket starts, instances, a timer, and one of the network.
UNITS = r"""
cd /etc/systemd/system
printf '[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n' |
    tee foreign.service behind.service many@.service network-own.service > /dev/null
sed -i '1i [Unit]\nBefore=network.target' network-own.service
printf '[Socket]\nListenStream=127.0.0.1:7777\n[Install]\nWantedBy=sockets.target\n' > behind.socket
printf '[Timer]\nOnCalendar=yearly\nUnit=foreign.service\n[Install]\nWantedBy=timers.target\n' > foreign.timer
systemctl daemon-reload
systemctl disable --quiet behind.service
systemctl enable --quiet --now foreign.service many@one.service network-own.service behind.socket foreign.timer
systemctl start behind.service
"""
RUN_BY_THEMSELVES = ("foreign.service", "many@one.service", "behind.socket", "behind.service", "foreign.timer")
# Set-uid: nobody's, and of a package that is allowed, which calls the second /bin/vim-old.
SET_UID = """
install -m 4755 /bin/true /usr/local/bin/helper
mkdir -p /root/vim-helper/usr/bin /root/vim-helper/bin
install -m 6755 /bin/true /root/vim-helper/usr/bin/vim-helper
install -m 4711 /bin/true /root/vim-helper/bin/vim-old
{}rm -r /root/vim-helper
""".format(starts.PACKAGE.format("vim-helper", ""))
# A package that the network may need, and one with the program of a unit that an admin wrote.
NEEDED = """
mkdir -p /root/foreign-net/usr/lib/systemd/system /root/foreign-tool/usr/bin
printf '[Unit]\\nBefore=network.target\\n[Service]\\nExecStart=true\\n[Install]\\nWantedBy=multi-user.target\\n' \\
    > /root/foreign-net/usr/lib/systemd/system/foreign-net.service
cp /bin/sleep /root/foreign-tool/usr/bin/foreign-tool
{}{}printf '[Service]\\nExecStart=foreign-tool infinity\\n[Install]\\nWantedBy=multi-user.target\\n' \\
    > /etc/systemd/system/own-vpn.service
systemctl daemon-reload
systemctl enable --quiet foreign-net.service
systemctl enable --quiet --now own-vpn.service
""".format(starts.PACKAGE.format("foreign-net", ""), starts.PACKAGE.format("foreign-tool", ""))
LEFT = ["foreign-net", "foreign-net.service", "foreign-tool", "network-own.service", "own-vpn.service"]
BITS = "stat -c %a /usr/local/bin/helper /usr/bin/vim-helper /usr/bin/vim-old"


def test_purge(target: Target, tmp_path: Path) -> None:
    """Nothing goes unless policy says so; check mode tells what; what an allowed package needs is not torn out.

    Packages, units and set-uid bits go; a unit on which the network may stand stays, and is named.
    """
    target = starts.own(target, tmp_path)
    target.sh(starts.PACKAGE.format("foreign", "") + UNITS + SET_UID + NEEDED)
    installed = "dpkg-query -W -f '${Package} ' foreign vim-foreign 2>/dev/null || true"
    states = f"systemctl is-active {' '.join(RUN_BY_THEMSELVES)}"
    assert target.play(starts.SITE).changed == 0

    def declare(data: Any) -> None:
        data["policy"]["base"]["purge"] = True

    starts.edit(target, "group_vars/all/policy.yml", declare)
    looked = " ".join(target.play(starts.SITE, "--check").text.split())
    assert "would purge foreign" in looked
    assert "would disable and stop behind.socket, foreign.service, foreign.timer, many@one.service" in looked
    off = "the set-uid and set-gid bits off /usr/bin/vim-helper, /usr/bin/vim-old, /usr/local/bin/helper"
    assert f"would take {off}" in looked
    assert target.sh(installed).split() == ["foreign"]
    assert target.sh(states).split() == ["active"] * 5
    assert target.sh(BITS).split() == ["4755", "6755", "4711"]

    target.sh(starts.PACKAGE.format("vim-foreign", "Depends: foreign\n") + "apt-mark auto vim-foreign")
    assert "would purge" not in target.play(starts.SITE, "--check").text, "an allowed package needs it"

    target.sh("dpkg --purge vim-foreign")
    # By the second name of the whole disk, sudo's own bit would go.
    target.sh("mkdir /mnt/again && mount --bind / /mnt/again && test -u /mnt/again/usr/bin/sudo")
    before = target.sh("apt-mark showmanual").split()
    purged = " ".join(target.play(starts.SITE).text.split())
    assert "purged foreign" in purged
    assert f"took {off}" in purged
    assert "foreign-net stays: with it would go foreign-net.service: disks, the network or logins may need it" in purged
    assert "foreign-tool stays: with it would go own-vpn.service: it stays, and runs /usr/bin/foreign-tool" in purged
    stay = "stat -c %a /usr/bin/sudo; systemctl is-enabled foreign-net; systemctl is-active own-vpn"
    assert target.sh(stay).split() == ["4755", "enabled", "active"]
    assert "network-own.service stays enabled: disks, the network or logins may need it" in purged
    assert target.sh("apt-mark showmanual").split() == [name for name in before if name != "foreign"]
    assert target.sh(states, check=False).split() == ["inactive"] * 5
    assert target.sh("dpkg -i /root/vim-helper.deb > /dev/null; " + BITS).split() == ["755", "755", "711"]
    _, data = reports.verify(target, tmp_path / "report", expect=None)
    failed = reports.details(data, HOST, "failed")
    assert "setuid" not in failed, "a file is allowed by any of its names"
    said = "\n".join(failed["packages"])
    assert sorted(re.findall(r"(?m)^\W*(\S+): (?:disable|purge) it", said)) == LEFT, said
    assert target.play(starts.SITE).changed == 0
