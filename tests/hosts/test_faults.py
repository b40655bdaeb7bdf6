"""Runs that are killed, cut off, refused or short of room: the host is never half done, and the next run repairs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab import inventory

from .attacks import OPEN, OURS, firewall, sshd
from .condition import SCRIPT
from .conftest import HOST, POLICY, ROOT, Hardened, Target
from .starts import SITE, Witness, edit_host, own, pinned, same_people
from .test_first_run import ATTACK, write_vars
from .test_guard_faults import COMMIT_STEPS, CONFIRM_STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from lab.hosts import Lab, LabHost

pytestmark = pytest.mark.full
PLUGINS = ROOT / "tests/hosts/plugins"
ARMED = "test -e /var/lib/holdfast/guard/armed.json && echo armed || true"
LAST_REVERT = "cat /var/lib/holdfast/guard/last-revert.json"
DROPS_ALL = {**sshd("AllowGroups nobody-is-in-here\n", path=OURS)}


def wait_for(what: str, seconds: float, holds: Any) -> None:
    """Wait until ``holds()`` is true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def family(leader: int) -> list[int]:
    """The process and all that descend from it: ansible-playbook, its workers (each its own session), their ssh."""
    done = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    found = [leader]
    for pid in found:
        found += [child for child, parent in pairs if parent == pid]
    return found


def kill(pids: list[int]) -> None:
    """SIGKILL for all of them that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def armed(target: Target) -> bool:
    """Whether the guard waits for a confirmation."""
    return "armed" in target.sh(ARMED)


def start_armed(target: Target, folder: Path, seconds: int = 12) -> subprocess.Popen[str]:
    """Start a commit that locks the operator out with a firewall, and return once it is armed."""
    process = target.start(ATTACK, *write_vars(folder, attack_stage=firewall(OPEN), attack_seconds=seconds))
    wait_for("armed", 40, lambda: armed(target) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    return process


def assert_back(target: Target, before: str) -> None:
    """The host came back by itself, exactly, and the next run has nothing to do."""
    wait_for("the host came back", 40, lambda: not armed(target) and target.ssh("oper", seconds=3) == 0)
    assert target.sh(SCRIPT) == before
    again = target.play(SITE)
    assert again.changed == 0, again.text


@pytest.mark.parametrize("everything", [True, False], ids=["with-workers", "alone"])
def test_controller_killed_while_armed(target: Target, tmp_path: Path, everything: bool) -> None:
    """SIGKILL of the controller, with or without its forked workers and ssh."""
    before = target.sh(SCRIPT)
    process = start_armed(target, tmp_path)
    everybody = family(process.pid)
    assert len(everybody) > 1, "no worker is at work"
    kill(everybody if everything else [process.pid])
    process.communicate(timeout=10)
    assert_back(target, before)


def killed_while_paused(target: Target, folder: Path, step: str, stage: dict[str, Any]) -> None:
    """Kill the controller, workers and all, while the host's program stands still at a step; then let that go on."""
    target.sh(f"echo pause {step} > /run/holdfast-guard.kill-at")
    process = target.start(ATTACK, *write_vars(folder, attack_stage=stage, attack_seconds=10))
    wait_for(f"paused at {step}", 40, lambda: target.sh("pgrep -r T", check=False) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    kill(family(process.pid))
    process.communicate(timeout=10)
    target.sh("pkill -CONT -r T")


# Every kind of change at once, after which nobody gets in any more.
LOCKOUT = {
    **firewall(OPEN),
    "files": [*firewall(OPEN)["files"], *DROPS_ALL["files"]],
    "reload": ["holdfast-firewall", "ssh"],
    "units": [{"name": "nftables.service", "masked": False}],
}


@pytest.mark.parametrize("step", COMMIT_STEPS)
def test_controller_killed_at_a_step_of_the_commit(target: Target, tmp_path: Path, step: str) -> None:
    """Whatever the host had done by then, it finishes by itself, hears of no fresh login, and goes back."""
    before = target.sh(SCRIPT)
    killed_while_paused(target, tmp_path, step, LOCKOUT)
    wait_for("put back", 30, lambda: "not confirmed in time" in target.sh(LAST_REVERT, check=False))
    assert_back(target, before)


@pytest.mark.parametrize("step", CONFIRM_STEPS)
def test_controller_killed_at_a_step_of_the_confirmation(target: Target, tmp_path: Path, step: str) -> None:
    """The login was proved: the commit stays, though nobody hears of it any more; the next run goes on from it."""
    ours = target.sh(f"cat {OURS}")
    killed_while_paused(target, tmp_path, step, sshd(f"{ours}# committed\n", path=OURS))
    wait_for("confirmed", 15, lambda: not armed(target))
    assert target.ssh("oper") == 0
    assert target.sh(f"cat {OURS}") == f"{ours}# committed\n"
    assert target.play(SITE).changed > 0
    assert target.sh(f"cat {OURS}") == ours
    assert target.sh("find /etc -name '.*.guard-*'; systemctl list-units --no-legend 'holdfast-guard-*'") == ""


def test_cable_pulled_while_armed(target: Target, tmp_path: Path) -> None:
    """Without a network the host goes back when its time is up, whoever hears of it."""
    before = target.sh(SCRIPT)
    process = start_armed(target, tmp_path)
    target.host.cut()
    wait_for("reverted", 30, lambda: not armed(target))
    target.host.plug()
    text, _ = process.communicate(timeout=90)
    assert process.returncode != 0
    assert re.search("puts? itself back|put everything back", text), text[-2000:]
    assert_back(target, before)


def kill_after(target: Target, folder: Path, number: int) -> str | None:
    """Kill a first run after so many ended tasks; return the task, or None when the run ended before."""
    log = folder / f"killed-{number}"
    mine = Target(
        target.host,
        target.inventory,
        {
            "ANSIBLE_CALLBACK_PLUGINS": f"{ROOT}/callback_plugins:{PLUGINS}",
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
            "HOLDFAST_KILL_AFTER": str(number),
            "HOLDFAST_KILL_LOG": str(log),
        },
    )
    mine.play(SITE, expect=None)
    return log.read_text(encoding="utf-8") if log.exists() else None


def assert_next_run_repairs(target: Target, said: str) -> None:
    """One more run ends hardened, and the one after it has nothing to do."""

    def gets_in() -> bool:
        if not pinned(target):  # killed before the first contact: no login of ours would trust the host yet
            return True
        return target.ssh("oper", seconds=3) == 0 or target.ssh("root", "true", key="oper") == 0

    wait_for(f"a login {said}", 75, gets_in)
    wait_for(f"disarmed {said}", 75, lambda: not armed(target))
    target.play(SITE)
    assert target.ssh("oper") == 0, said
    again = target.play(SITE)
    assert again.changed == 0, f"{said}: {again.text}"


@pytest.mark.parametrize("number", [9, 13, 17])
def test_first_run_killed(bare: Target, tmp_path: Path, number: int) -> None:
    """A first run that is killed before, amid and after the roles is finished by the next."""
    killed = kill_after(bare, tmp_path, number)
    assert killed, f"the run has fewer than {number} tasks"
    assert_next_run_repairs(bare, f"killed after {killed}")


def test_first_run_killed_after_every_task(lab: Lab, release: str, tmp_path: Path) -> None:
    """The same after each single task of a first run, of a host with a service and a backup."""
    number, killed = 0, ""
    while killed is not None:
        number += 1
        host = lab.start(HOST, release)
        try:
            folder = tmp_path / str(number)
            target = Target(host, inventory.write(folder / "inventory", [host], policy=POLICY))
            killed = kill_after(target, folder, number) or None  # type: ignore[assignment]
            assert_next_run_repairs(target, f"killed after {killed}")
        finally:
            host.stop()
    assert number > 15


def test_unreachable_host(lab: Lab, release: str, hardened: Hardened, tmp_path: Path) -> None:
    """Of three hosts one does not answer: the others finish, and the run says which."""
    hosts = [lab.start(name, release, image=hardened.image) for name in ("a1", "a2")]

    class Gone:
        name, address = "gone", "192.0.2.77"

    try:
        written = inventory.write(tmp_path / "inventory", [*hosts, Gone()], extra={"contact_timeout": 3})
        same_people(hardened, written)
        for host in hosts:
            host.exec(["touch", "/run/reboot-required"])
        run = Target(hosts[0], written).play(SITE, expect=4)
        recap = run.text.rpartition("PLAY RECAP")[2]
        assert re.search(r"gone\s.*unreachable=1", recap)
        assert len(re.findall(r"^a\d.*unreachable=0\s+failed=0", recap, re.MULTILINE)) == 2
        assert "gone could not be reached" in run.text
        assert re.findall(r"(\w+), in its window, which opens", run.text) == ["a1", "a2"], run.text[-2000:]
        assert run.text.count("Need a reboot:") == 1
        assert "host.address" in run.text
    finally:
        for host in hosts:
            host.stop()


def test_reboots_are_told_though_every_host_failed(target: Target) -> None:
    """Ansible ends a playbook with the play in which the last host has failed; what was heard before is told."""
    target.sh("touch /run/reboot-required")
    run = target.play(SITE, "-e", json.dumps({"health_limits": "{{ not_there }}"}), expect=2)
    assert "Say what comes next" not in run.text, "the run was to end before its last tasks"
    assert run.text.count("web1, in its window, which opens") == 1, run.text[-3000:]
    target.sh("rm /run/reboot-required")
    assert "Need a reboot" not in target.play(SITE).text


def test_held_apt_lock(bare: Target) -> None:
    """Somebody else's apt: the run says so after a while and changes nothing."""
    lock = (
        "import fcntl,time\n"
        "held=[open(p,'a') for p in ('/var/lib/dpkg/lock-frontend','/var/lib/dpkg/lock','/var/lib/apt/lists/lock')]\n"
        "[fcntl.lockf(x,fcntl.LOCK_EX) for x in held]\ntime.sleep(600)"
    )
    bare.sh("mkdir -p /var/lib/apt/lists; touch /var/lib/apt/lists/lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock")
    bare.host.exec(["systemd-run", "--quiet", "--unit=holder", "/usr/bin/python3", "-c", lock])
    witness = Witness(bare)
    run = bare.play(SITE, "-e", "base_apt_lock_seconds=3", expect=2, seconds=120)
    assert "lock of apt" in run.text, run.text[-3000:]
    witness.assert_untouched()
    bare.sh("systemctl stop holder")
    bare.play(SITE)
    assert bare.ssh("oper") == 0


# Every package comes through a proxy at a port where nobody listens: refused at once, whatever the mirror is.
NO_MIRROR = "/etc/apt/apt.conf.d/zz-no-mirror"
NOBODY = 'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::https::Proxy "http://127.0.0.1:9";'
PACKAGES = "dpkg-query -W -f '${Package} ${Version} ${Status}\\n'; dpkg --audit"


@pytest.mark.parametrize("amid", [True, False], ids=["amid", "from-the-start"])
def test_mirror_unreachable_in_a_first_run(bare: Target, amid: bool) -> None:
    """Packages that cannot be fetched: the run says so and what to do, nothing is half done, the next one repairs."""
    lost = f"""echo '{NOBODY}' > {NO_MIRROR}"""
    if amid:  # the lists have come, then the mirror goes
        bare.host.exec(["tee", "/root/lose-mirror"], stdin=lost.encode())
        bare.sh(f"""echo 'APT::Update::Post-Invoke {{ "sh /root/lose-mirror"; }};' > {NO_MIRROR}""")
    else:
        bare.sh(lost)
    before = bare.sh(SCRIPT), bare.sh(PACKAGES)
    run = bare.play(SITE, expect=2)
    said = " ".join(run.text.split())
    assert "could not be installed; no setting was changed" in said, run.text[-3000:]
    assert "see that the host reaches its package sources" in said, run.text[-3000:]
    assert (bare.sh(SCRIPT), bare.sh(PACKAGES)) == before
    assert bare.ssh("root", "true", key="oper") == 0
    bare.sh(f"rm {NO_MIRROR}")
    bare.play(SITE)
    assert bare.ssh("oper") == 0
    assert bare.play(SITE).changed == 0


def test_mirror_unreachable_later(target: Target) -> None:
    """A configured host needs no mirror for a run; who wants to patch it is told that nothing can be known."""
    target.sh(f"echo '{NOBODY}' > {NO_MIRROR}")
    run = target.play(SITE)
    assert run.changed == 0, run.text
    refused = target.play("playbooks/patch.yml", expect=2)
    assert "127.0.0.1:9" in refused.text, refused.text[-3000:]
    assert "nothing is pending" not in refused.text


def test_full_disk(target: Target, tmp_path: Path) -> None:
    """No room for the new files: nothing is half done, and the next run repairs."""
    mine = own(target, tmp_path)
    edit_host(mine, ssh={"port": 2222})
    mine.sh("cp -a /etc /run/etc; mount -t tmpfs -o size=8m tmpfs /etc; cp -a /run/etc/. /etc/; rm -rf /run/etc")
    mine.sh("dd if=/dev/zero of=/etc/filler bs=4k 2>/dev/null; true")
    before = mine.sh(SCRIPT)
    run = mine.play(SITE, expect=2)
    assert "No space left" in run.text or "disk is full" in run.text, run.text[-3000:]
    assert mine.sh(SCRIPT) == before
    assert mine.ssh("oper") == 0
    mine.sh("rm /etc/filler")
    mine.play(SITE)
    assert mine.ssh("oper", port=2222) == 0
    assert mine.play(SITE).changed == 0


# As the distributions write it. An Ubuntu says that it is like Debian, and it is none.
UBUNTU = """
PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""
BULLSEYE = """
PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"
NAME="Debian GNU/Linux"
VERSION_ID="11"
VERSION="11 (bullseye)"
VERSION_CODENAME=bullseye
ID=debian
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [(UBUNTU, "Ubuntu 24.04.3 LTS"), (BULLSEYE, "Debian GNU/Linux 11 (bullseye)")],
    ids=["ubuntu", "bullseye"],
)
def test_unsupported_release(bare: Target, text: str, name: str) -> None:
    """Another system is named, and left alone."""
    bare.sh(f"rm -f /etc/os-release; printf '%s' '{text.lstrip()}' > /etc/os-release")
    witness = Witness(bare)
    run = bare.play(SITE, expect=2)
    assert f"runs {name}" in run.text
    assert "Debian 12 and Debian 13" in run.text
    witness.assert_untouched()


def test_without_kept_connections(target: Target, tmp_path: Path) -> None:
    """With ControlPersist off a commit confirms and a bad one reverts."""
    mine = own(target, tmp_path)
    mine.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no"
    before = mine.sh(SCRIPT)
    run = mine.play(ATTACK, *write_vars(tmp_path, attack_stage=DROPS_ALL, attack_seconds=12), expect=2)
    assert "denied" in run.text, run.text[-3000:]
    assert_back(mine, before)
    edit_host(mine, ssh={"port": 2222})
    assert mine.play(SITE).changed > 0
    assert mine.ssh("oper", port=2222) == 0
    assert mine.play(SITE).changed == 0


def test_one_of_two_hosts_reverts(lab: Lab, release: str, hardened: Hardened, tmp_path: Path) -> None:
    """A host that goes back does not keep another from going on."""
    hosts = [lab.start(name, release, image=hardened.image) for name in ("a1", "a2")]
    try:
        written = inventory.write(tmp_path / "inventory", hosts)
        same_people(hardened, written)
        first, second = (Target(host, written) for host in hosts)
        first.play(SITE)
        before = first.sh(SCRIPT)
        (written.path / "host_vars/a1").mkdir()
        (written.path / "host_vars/a1.yml").rename(written.path / "host_vars/a1/host.yml")
        (written.path / "host_vars/a1/attack.yml").write_text(json.dumps({"attack_stage": DROPS_ALL}), encoding="utf-8")
        good = {"files": [{"path": "/etc/ssh/sshd_config.d/50-good.conf", "content": "PrintMotd no\n", "mode": "0600"}]}
        (written.path / "group_vars/web.yml").write_text(
            json.dumps({"attack_seconds": 12, "attack_stage": {**good, "reload": ["ssh"]}}), encoding="utf-8"
        )
        run = first.play(ATTACK, expect=2)
        recap = run.text.rpartition("PLAY RECAP")[2]
        assert re.search(r"a1\s.*failed=1", recap), run.text[-3000:]
        assert re.search(r"a2\s.*changed=1\s.*failed=0", recap), run.text[-3000:]
        assert first.sh(SCRIPT) == before
        assert "PrintMotd no" in second.sh("cat /etc/ssh/sshd_config.d/50-good.conf")
        assert not armed(second)
    finally:
        for host in hosts:
            host.stop()


def with_jump_right(written: inventory.Inventory) -> None:
    """Let the operator through the bastion."""
    path = written.path / "group_vars/all/people.yml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    rights = data["people"][0]["rights"]
    rights.append({**{k: v for k, v in rights[0].items() if k != "admin"}, "jump": True, "on": ["zz-bastion"]})
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def through(target: Target, host: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a host with the ssh_config that the runs keep, as a user would."""
    return subprocess.run(
        ["ssh", "-F", str(target.inventory.path / ".holdfast/ssh_config"), "-o", "BatchMode=yes", host, command],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_behind_a_jump_host(lab: Lab, release: str, tmp_path: Path) -> None:
    """A bastion and a host behind it, both bare: one run hardens both, though it closes the way that it came."""
    names = ("web1", "zz-bastion")  # the jump host comes last in the inventory, and has to be committed first
    hosts: dict[str, LabHost] = {name: lab.start(name, release) for name in names}
    try:
        jump = {"ssh": {"jump": "zz-bastion"}}
        written = inventory.write(tmp_path / "inventory", list(hosts.values()), host={"web1": jump})
        with_jump_right(written)
        target = Target(hosts["web1"], written)
        run = target.play(SITE)
        assert "reverted" not in run.text
        for name in names:
            done = through(target, name, "sudo -n true && id -un && echo $SSH_CONNECTION")
            assert done.returncode == 0, done.stderr
            assert done.stdout.split()[0] == "oper"
        behind = through(target, "web1", "echo $SSH_CONNECTION").stdout.split()[0]
        assert behind in {hosts["zz-bastion"].address, hosts["zz-bastion"].address6}
        again = target.play(SITE)
        assert again.changed == 0, again.text
        assert target.play(SITE, "--limit", "web1").changed == 0
    finally:
        for host in hosts.values():
            host.stop()
