"""The guard while things go wrong around it: kills at every step, restarts, full disks, a broken Python, a rival."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .attacks import sshd
from .condition import SCRIPT
from .orders import GUARD, file, give, lockout
from .starts import OVER_TO_THE_SOCKET, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Target

COMMIT_STEPS = [
    "staged", "saved", "timer", "state", "armed", "swapping", "swapped", "accounts", "units",
    "reloaded-holdfast-firewall", "reloaded-ssh", "listening",
]  # fmt: skip
NOT_YET_ARMED = ("staged", "saved", "timer")
CONFIRM_STEPS = ["confirming", "confirmed"]
REVERT_STEPS = ["revert-files", "revert-tables", "revert-sshd", "revert-accounts"]
ACCOUNTS = [
    {"name": "oper", "groups": [], "shell": "/bin/false", "expires": "2020-01-01", "password": "!"},
    {"name": "alice", "groups": [], "shell": "/bin/bash", "expires": None, "password": "*"},
    {"name": "bob", "groups": [], "shell": "/bin/bash", "expires": None, "password": "*"},
    {"name": "ci-blog", "groups": [], "shell": "/bin/bash", "expires": None, "password": "*"},
    {"name": "rescue", "groups": [], "shell": "/bin/bash", "expires": None, "password": "*"},
]


def wait_until_back(target: Target, seconds: float = 25) -> None:
    """Return when nothing is armed and the operator gets in."""
    end = time.monotonic() + seconds * target.patience
    while time.monotonic() < end:
        if "armed.json" not in target.sh("ls /var/lib/holdfast/guard") and target.ssh("oper", seconds=3) == 0:
            return
        time.sleep(0.3)
    pytest.fail(
        "locked out:\n"
        + target.sh("tail -20 /var/lib/holdfast/guard/log; systemctl list-units 'holdfast-guard*' --all")
    )


def without_leavings(condition: str) -> str:
    """A condition without what an unarmed kill leaves for the next commit to sweep."""
    lines = condition.splitlines()
    kept = []
    for number, line in enumerate(lines):
        if ".guard-" in line or (number and ".guard-" in lines[number - 1]):
            continue
        kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("step", COMMIT_STEPS + REVERT_STEPS)
def test_killed_at(target: Target, step: str) -> None:
    """SIGKILL of the host's program at a step: everything comes back, exactly."""
    before = target.sh(SCRIPT)
    target.sh(f"echo {step} > /run/holdfast-guard.kill-at")
    # members that the commit takes away are final by design: this one leaves the groups as they are
    give(target, lockout())
    assert "kill-at" not in target.sh("ls /run") or step in REVERT_STEPS, f"step {step} was never reached"
    time.sleep(1)
    wait_until_back(target)
    assert "kill-at" not in target.sh("ls /run"), f"step {step} was never reached"
    after = target.sh(SCRIPT)
    if step in NOT_YET_ARMED:
        after = without_leavings(after)
        before = without_leavings(before)
    assert after == before


@pytest.mark.parametrize("step", ["saved", "timer"])
def test_what_a_kill_left_is_swept_by_the_next_commit(target: Target, step: str) -> None:
    """New files of a run that died before it was armed do not stay, and nothing holds the next one up."""
    before = target.sh(SCRIPT)
    target.sh(f"echo {step} > /run/holdfast-guard.kill-at")
    give(target, lockout(seconds=600))
    assert ".guard-" in target.sh("find /etc -name '.*.guard-*'")
    fresh = [file("/etc/ssh/sshd_config.d/00-aaa-attack.conf", "AllowGroups nobody\n")]
    assert give(target, lockout(files=fresh, prune=[], units=[]))["armed"]
    wait_until_back(target)
    assert target.sh(SCRIPT) == before


@pytest.mark.parametrize("step", CONFIRM_STEPS)
def test_killed_while_it_is_confirmed(target: Target, tmp_path: Path, step: str) -> None:
    """SIGKILL on either side of the commit point: the controller asks again, and is told that the commit stays."""
    staged = sshd("LogLevel VERBOSE\n")
    orders = tmp_path / "attack.json"
    orders.write_text(json.dumps({"attack_stage": staged, "attack_seconds": 20 * target.patience}), encoding="utf-8")
    target.sh(f"echo {step} > /run/holdfast-guard.kill-at")
    target.play("tests/hosts/playbooks/attack.yml", "-e", f"@{orders}")
    assert "kill-at" not in target.sh("ls /run"), f"step {step} was never reached"
    path = staged["files"][0]["path"]
    assert target.sh(f"cat {path}; find /etc -name '.*.guard-*'") == "LogLevel VERBOSE\n"
    assert "armed.json" not in target.sh("ls /var/lib/holdfast/guard")
    assert target.sh("systemctl list-units --no-legend 'holdfast-guard-*'") == ""


def test_killed_while_accounts_change(target: Target) -> None:
    """The operator locked, expired and without a shell, by a program that then dies."""
    before = target.sh(SCRIPT)
    target.sh("echo units > /run/holdfast-guard.kill-at")
    give(target, lockout(accounts=ACCOUNTS, login_as="oper"))
    assert target.ssh("oper", seconds=3) != 0
    wait_until_back(target)
    shadow = target.sh("getent shadow oper; id oper")
    assert "20820" in shadow or ":!" not in shadow
    differing = [line for line in target.sh(SCRIPT).splitlines() if line not in before.splitlines()]
    # alice and bob lost rights in this commit: that is final, so the group files may differ, and nothing else
    assert all("group" in line or "gshadow" in line or len(line) == 67 for line in differing), differing


@pytest.mark.parametrize("hard", [True, False], ids=["power-loss", "reboot"])
def test_restarted_while_armed(target: Target, hard: bool) -> None:
    """The boot unit puts back what nobody confirmed, before the firewall, the network and sshd are up."""
    before = target.sh(SCRIPT)
    assert give(target, lockout(seconds=600))["armed"]
    target.host.restart(hard=hard)
    wait_until_back(target)
    assert target.sh(SCRIPT) == before
    assert "the host went down" in target.sh("cat /var/lib/holdfast/guard/log")


@contextmanager
def without_python(target: Target) -> Iterator[None]:
    """Python is broken on the host meanwhile, also after power was lost."""
    target.sh("mv /usr/bin/python3 /usr/bin/python3.away; sync")
    try:
        yield
    finally:
        target.sh("mv /usr/bin/python3.away /usr/bin/python3")


def test_restarted_while_python_is_broken(target: Target) -> None:
    """The boot waits for no sshd that waits for the boot: the shell puts back, and the host comes up."""
    before = target.sh(SCRIPT)
    assert give(target, lockout(seconds=600))["armed"]
    with without_python(target):
        target.host.restart(hard=True)
        wait_until_back(target)
    assert target.sh(SCRIPT) == before
    assert "the shell put the commit back" in target.sh(f"{GUARD} status")


def test_restarted_while_not_all_comes_back(target: Target) -> None:
    """What the boot unit leaves is put back once the host is up, with what listens and the rules by then."""
    before = target.sh(SCRIPT)
    assert give(target, lockout(seconds=600))["armed"]
    target.sh(AT_BOOT_NOT_ALL)
    target.host.restart(hard=True)
    wait_until_back(target)
    target.sh(f"mv {GUARD}.away {GUARD}")
    assert target.sh(SCRIPT) == before
    assert "not all of it came back at boot" in target.sh(f"{GUARD} status")


def test_python_broken_while_armed(target: Target) -> None:
    """Without Python the shell puts everything back."""
    before = target.sh(SCRIPT)
    assert give(target, lockout())["armed"]
    with without_python(target):
        wait_until_back(target)
    assert target.sh(SCRIPT) == before
    assert "the shell put the commit back" in target.sh(f"{GUARD} status")


def test_python_broken_while_the_socket_is_away(target: Target) -> None:
    """The shell brings ssh.socket back, too, where the commit had handed its port to sshd."""
    target.sh(OVER_TO_THE_SOCKET)
    assert target.ssh("oper") == 0  # which starts ssh.service
    before = target.sh(UNITS, check=False)
    handed = [
        {"name": "ssh.socket", "enabled": False, "active": False},
        {"name": "ssh.service", "enabled": True, "active": True},
    ]
    assert give(target, lockout(units=handed))["armed"]
    with without_python(target):
        wait_until_back(target)
    assert "the shell put the commit back" in target.sh(f"{GUARD} status")
    assert target.sh(UNITS, check=False) == before


AT_BOOT_NOT_ALL = f"""
mv {GUARD} {GUARD}.away
printf '#!/bin/sh\\n[ "$1" = boot ] && exit 75\\nexec {GUARD}.away "$@"\\n' > {GUARD}
chmod 755 {GUARD}
sync
"""
SMALL = """
for place in /etc /var/lib/holdfast; do
    cp -a $place /tmp/copy
    mount -t tmpfs -o size=12m,mode=755 tmpfs $place
    cp -a /tmp/copy/. $place/
    rm -rf /tmp/copy
done
"""
FILL = """
for place in /etc /var/lib/holdfast; do
    dd if=/dev/zero of=$place/filler bs=64k 2>/dev/null
    cat /dev/zero > $place/rest 2>/dev/null
done
true
"""
EMPTY = "rm -f /etc/filler /etc/rest /var/lib/holdfast/filler /var/lib/holdfast/rest"


def test_full_disk_while_armed(target: Target) -> None:
    """A revert needs no room."""
    target.sh(SMALL)
    before = target.sh(SCRIPT)
    assert give(target, lockout())["armed"]
    target.sh(FILL)
    assert "100%" in target.sh("df /etc")
    wait_until_back(target)
    target.sh(EMPTY)
    assert target.sh(SCRIPT) == before
    assert "it was not confirmed in time" in target.sh(f"{GUARD} status")


def test_full_disk_before(target: Target) -> None:
    """Without room for the new files nothing is changed, and the message says so."""
    target.sh(SMALL)
    before = target.sh(SCRIPT)
    target.sh(FILL)
    answer = give(target, lockout())
    assert answer["failed"]
    assert "nothing was changed" in answer["msg"]
    assert "No space left" in answer["msg"]
    target.sh(EMPTY)
    assert target.sh(SCRIPT) == before


def test_a_second_controller_is_told_who_holds_the_host(target: Target) -> None:
    """It waits for nothing and changes nothing."""
    assert give(target, lockout(seconds=5, who="first@laptop"))["armed"]
    answer = give(target, lockout(who="second@laptop"))
    assert answer["failed"]
    assert "held by first@laptop" in answer["msg"]
    assert "reverts in" in answer["msg"]
    wait_until_back(target)


def test_confirm_races_revert(target: Target) -> None:
    """Near the end of the time exactly one of the two wins."""
    outcomes = []
    for number in range(6):
        path = f"/etc/ssh/sshd_config.d/50-race-{number}.conf"
        order = lockout(
            seconds=2, files=[file(path, "LogLevel INFO\n")], prune=[], units=[], tables={}, reload={}, validate=[]
        )
        assert give(target, order)["armed"]
        time.sleep(1.75 + number * 0.05)
        confirmed = json.loads(target.host.exec([GUARD, "confirm", order["id"]], check=False).stdout)
        time.sleep(0.7)
        stays = bool(target.sh(f"ls {path} 2>/dev/null || true").strip())
        assert stays == ("confirmed" in confirmed), (number, confirmed)
        outcomes.append(stays)
    assert target.sh("find /etc -name '.*.guard-*'") == ""


def test_two_controllers_at_once(target: Target) -> None:
    """Of commits that start in the same moment one arms, the others are refused."""
    answers: list[dict[str, object]] = []
    orders = [
        lockout(
            files=[file("/etc/ssh/sshd_config.d/50-x.conf", f"# {n}\n")],
            prune=[],
            units=[],
            tables={},
            reload={},
            validate=[],
        )
        for n in range(4)
    ]
    threads = [threading.Thread(target=lambda order=order: answers.append(give(target, order))) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("armed" in answer and not answer.get("failed") for answer in answers) == 1, answers
    wait_until_back(target)


def test_revoked_access_does_not_come_back(target: Target) -> None:
    """A revert restores the operator's door, never a revoked key or a person who was removed."""
    keys = "/etc/ssh/authorized_keys.d"
    oper = target.sh(f"cat {keys}/oper")
    alice = target.sh(f"cat {keys}/alice")
    assert target.ssh("bob", "true") == 0
    order = lockout(
        files=[
            file(f"{keys}/oper", oper + "# changed\n"),
            file(f"{keys}/alice", alice.replace("AAAAC3", "AAAAC3Nza", 1)),
        ],
        prune=[f"{keys}/*"], units=[], tables={}, reload={}, validate=[],
        accounts=[
            {"name": name, "groups": ["holdfast-ssh"], "shell": "/bin/bash", "expires": None, "password": "*"}
            for name in ("alice", "ci-blog", "rescue")
        ],
        keep=[],
    )  # fmt: skip
    assert give(target, order)["armed"]  # the operator is undeclared in it as well, but runs it
    wait_until_back(target)
    assert target.sh(f"cat {keys}/oper") == oper
    assert target.ssh("bob", "true", seconds=3) != 0
    assert "bob" not in target.sh(f"ls {keys}")
    assert target.ssh("alice", "true", seconds=3) != 0
    assert target.sh("getent shadow bob").split(":")[7] == "1"


def test_a_revert_that_cannot_finish_is_repeated(target: Target) -> None:
    """While another program holds the account databases the revert goes on trying; the door is open already."""
    before = target.sh(SCRIPT)
    assert give(target, lockout(accounts=None, seconds=3))["armed"]
    target.sh(
        "mv /usr/sbin/nft /usr/sbin/nft.away; printf '#!/bin/sh\\nexit 1\\n' > /usr/sbin/nft; chmod 755 /usr/sbin/nft"
    )
    time.sleep(6)
    assert "trying again" in target.sh("cat /var/lib/holdfast/guard/log")
    assert "armed.json" in target.sh("ls /var/lib/holdfast/guard")
    target.sh("mv /usr/sbin/nft.away /usr/sbin/nft")
    wait_until_back(target)
    assert target.sh(SCRIPT) == before


def test_a_job_that_pulls_in_sysinit_is_no_boot(target: Target) -> None:
    """Starting any unit looks at the boot unit again, whose condition holds by now; the commit stays armed."""
    order = lockout(seconds=20)
    assert give(target, order)["armed"]
    target.sh("systemctl restart systemd-logind; systemctl start sysinit.target; sleep 1")
    assert "armed.json" in target.sh("ls /var/lib/holdfast/guard")
    target.host.exec([GUARD, "revert", order["id"]])
    wait_until_back(target)


def test_isolate_does_not_remove_the_timer(target: Target) -> None:
    """`systemctl isolate` silently removes transient timers that were not told to stay."""
    assert give(target, lockout(seconds=5))["armed"]
    target.sh("systemctl isolate multi-user.target; systemctl daemon-reexec")
    wait_until_back(target)
