"""Updates from signed repositories of the host's own: what comes by itself, what waits for the window, what is told."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.calendars import BAD, GOOD, PLAINER

from .starts import SITE, Witness, edit, edit_host, own

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Target

pytestmark = pytest.mark.slow

PATCH = "playbooks/patch.yml"
PROGRAM = "/usr/local/lib/holdfast/updates/updates.py"
SERVICES = "/usr/bin/python3 -IS /usr/local/lib/holdfast/services"
JOB = "apt-daily-upgrade.service"
CHECK, WINDOW = "holdfast-updates-check.service", "holdfast-updates-window.service"
LIBRARY = "/usr/lib/sample-secure/libsample.so"
CVE = "CVE-2026-11111"
BROKEN = "unusable"
# As an upgrade of zlib does it, which every Python maps.
REPLACE_ZLIB = 'for old in /usr/lib/*/libz.so.1; do cp "$old" /root/libz && mv /root/libz "$(readlink -f "$old")"; done'
# Have apt's lock for so many seconds.
HOLD = """import fcntl, sys, time
f = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(float(sys.argv[1]))"""
# A service that goes on with the library that it began with, and does not start with a broken one.
SERVICE = f"""[Service]
ExecStart=/usr/bin/python3 -c "import mmap, sys, time; f = open('{LIBRARY}', 'rb'); \\
    m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); f.close(); \\
    sys.exit('this library is {BROKEN}') if m.find(b'{BROKEN}') >= 0 else time.sleep(3600)"
"""

# As debhelper writes them for a unit: restarted after an upgrade, or, the older way, stopped before it.
SCRIPTS = {
    "postinst": """if [ "$1" = configure ] || [ "$1" = abort-upgrade ]; then
    deb-systemd-helper enable 'UNITS' >/dev/null || true
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then
        _dh_action=restart
    else
        _dh_action=start
    fi
    deb-systemd-invoke $_dh_action 'UNITS' >/dev/null || true
fi""",
    "prerm": """if [ "$1" = remove ]; then
    deb-systemd-invoke stop 'UNITS' >/dev/null || true
fi""",
}
OLDER = {
    "postinst": "deb-systemd-helper enable UNITS >/dev/null; invoke-rc.d sample-older start || exit 1",
    "prerm": "invoke-rc.d sample-older stop || exit 1",
}
OWN = "/usr/lib/sample-own/own"
DAEMONS = ["sample-older", "sample-own", "sample-script", "sample-second"]
PACKAGES = "sample-older sample-own sample-script"
# Named at once with others of its package, and stopped by somebody before the update comes.
DOWN = "sample-down"
# Map a file so that it could be run, delete it where it is one's own, and take a name that would clear a screen.
MAPS = """import ctypes, mmap, os, sys, time
f = open(sys.argv[1], "rb")
m = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
f.close()
if sys.argv[2] == "delete":
    os.unlink(sys.argv[1])
ctypes.CDLL(None).prctl(15, b"\\x1b[2J\\rhidden", 0, 0, 0)
time.sleep(3600)"""
MAPPER = "/var/tmp/maps.py"
# As a service's account: a line of the maps in the name of a folder, and a mount of its own over the system's folder.
FORGERS = rf"""cd "$(mktemp -d -p /var/tmp)"; lie=$(printf 'a\r0-1 r-xp 0 0:0 1 ')/usr/lib
mkdir -p "$lie" own; echo code > "$lie/forged-line.so"; echo code > own/forged-mount.so
python3 {MAPPER} "$PWD/$lie/forged-line.so" delete &
unshare -rm sh -ec 'mount --bind own /usr/local/lib; exec python3 {MAPPER} /usr/local/lib/forged-mount.so delete' &
wait"""
# What a person can make below his own manager: a group of processes whose name holds another service's.
FORGED_GROUP = rf"""top=/sys/fs/cgroup; [ ! -d $top/systemd ] || top=$top/systemd
own=$(sed -nE 's/^([0-9]+:name=systemd|0:)://p' /proc/1/cgroup | head -n 1)
group="$top${{own%/init.scope}}/user.slice/user-1000.slice/user@1000.service"
group="$group/$(printf 'a\r1:name=systemd:')/system.slice/sample.service"
mkdir -p "$group"; echo $$ > "$group/cgroup.procs"; exec python3 {MAPPER} {LIBRARY} keep"""
# Another's open file, after it was replaced: what a service does that wants to go on with old code.
STUBBORN = rf"""install -m 644 /etc/hostname /usr/lib/stubborn.so
systemd-run --quiet --unit=keeper -p User=nobody sh -c 'exec sleep 600 3</usr/lib/stubborn.so'
timeout 20 sh -c 'until readlink "/proc/$0/fd/3" | grep -qx /usr/lib/stubborn.so; do sleep 0.1; done' \
    "$(systemctl show -p MainPID --value keeper)"
rm /usr/lib/stubborn.so
systemd-run --quiet --unit=stubborn -p User=nobody python3 -IS {MAPPER} \
    "/proc/$(systemctl show -p MainPID --value keeper)/fd/3" keep
timeout 20 sh -c 'until grep -qs stubborn.so "/proc/$0/maps"; do sleep 0.1; done' \
    "$(systemctl show -p MainPID --value stubborn)"
"""


def publish(target: Target, **packages: list[dict[str, Any]]) -> None:
    """Publish packages in the repositories ``security`` and ``other``, and fetch the lists."""
    codename = target.host.release
    releases = {
        "security": {"Origin": "Debian", "Label": "Debian-Security", "Codename": f"{codename}-security"},
        "other": {"Origin": "Elsewhere", "Label": "Elsewhere", "Codename": codename},
    }
    orders = [
        {"repository": name, "release": release, "packages": packages.get(name, [])}
        for name, release in releases.items()
    ]
    source = (Path(__file__).parent / "publish.py").read_text(encoding="utf-8")
    target.host.exec(["python3", "-c", source], stdin=json.dumps(orders).encode())
    target.sh("apt-get -qq update")


def sample(
    name: str, version: str, text: str = "usable", said: str = f"{CVE}: a fix", more: str = ""
) -> dict[str, Any]:
    """Return a package with one library."""
    files = {f"/usr/lib/{name}/libsample.so": f"{version} {text}\n" * 50}
    return {"name": name, "version": version, "said": said, "files": files, "more": more}


def daemon(name: str, version: str, programs: dict[str, str], scripts: dict[str, str]) -> dict[str, Any]:
    """Return a package with services, by the programs that they run."""
    made = sample(name, version)
    for unit, program in programs.items():
        text = f"[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n"
        made["files"][f"/usr/lib/systemd/system/{unit}.service"] = text
    units = "' '".join(f"{unit}.service" for unit in programs)
    return made | {"scripts": {kind: text.replace("UNITS", units) for kind, text in scripts.items()}}


def daemons(version: str) -> list[dict[str, Any]]:
    """Return a service with a program of its own, two that map nothing of their package, and one with older scripts.

    The first brings along another one, later.
    """
    own = daemon("sample-own", version, {"sample-own": f"{OWN} 3600"}, SCRIPTS)
    two = {"sample-script": "/usr/bin/sleep 3601", "sample-second": "/usr/bin/sleep 3602"}
    two |= {DOWN: "/usr/bin/sleep 3604"}
    older = daemon("sample-older", version, {"sample-older": "/usr/bin/sleep 3603"}, OLDER)
    packages = [own | {"copies": {OWN: "/usr/bin/sleep"}}, daemon("sample-script", version, two, SCRIPTS), older]
    if version == "1.0":
        return packages
    packages[0]["more"] = "Depends: sample-new\n"
    return [*packages, daemon("sample-new", version, {"sample-new": "/usr/bin/sleep 3604"}, SCRIPTS)]


@pytest.fixture
def host(target: Target) -> Target:
    """A hardened host with two packages of our own, a newer version of each, and a service that uses the first."""
    target.sh("apt-get -qq update && apt-get -qqy install --no-install-recommends gpg gpg-agent >/dev/null 2>&1")
    first = {"security": [sample("sample-secure", "1.0")], "other": [sample("sample-other", "1.0")]}
    publish(target, **first)
    target.sh("apt-get -qqy install sample-secure sample-other >/dev/null")
    target.host.exec(["tee", "/etc/systemd/system/sample.service"], stdin=SERVICE.encode())
    target.sh("systemctl daemon-reload && systemctl start sample")
    publish(target, security=[sample("sample-secure", "1.1")], other=[sample("sample-other", "1.1")])
    return target


def versions(host: Target) -> list[str]:
    """Versions of the two packages, by name: of elsewhere, of Debian's security."""
    return host.sh("dpkg-query -W -f '${Version} ' sample-other sample-secure").split()


def process(host: Target) -> str:
    """The service's process."""
    return host.sh("systemctl show -p MainPID --value sample").strip()


def processes(host: Target) -> list[str]:
    """The processes of the packages' own services."""
    return host.sh(f"systemctl show -p MainPID --value {' '.join(DAEMONS)}").split()


def are_others(before: list[str], after: list[str]) -> bool:
    """Whether each service runs, and in another process."""
    return len(after) == len(before) == len(DAEMONS) and not {*before, "0"} & {*after}


def eventually(host: Target, script: str, seconds: float = 20) -> bool:
    """Whether a script succeeds within the time."""
    end = time.monotonic() + seconds * host.patience
    while time.monotonic() < end:
        if host.host.exec(["sh", "-c", script], check=False).returncode == 0:
            return True
        time.sleep(0.3)
    return False


def said(host: Target, unit: str) -> str:
    """What a unit told in its last run."""
    run = f"$(systemctl show -p InvocationID --value {unit})"
    return host.sh(f"journalctl --sync; journalctl -o cat --no-pager _SYSTEMD_INVOCATION_ID={run}")


@pytest.mark.both
def test_by_themselves_and_in_the_window(host: Target) -> None:
    """The timer's job installs what is of Debian's security alone and restarts nothing; the window waits, then does.

    Nor does it let the packages' own scripts restart what runs, as they do where a person installs them.
    """
    timer = host.sh(
        "systemctl show -p TimersCalendar,RandomizedDelayUSec,Persistent,ActiveState apt-daily-upgrade.timer"
    )
    assert "OnCalendar=*-*-* 00/4:00:00 UTC" in timer
    assert timer.count("OnCalendar=") == 1
    assert {"RandomizedDelayUSec=30min", "Persistent=yes", "ActiveState=active"} <= set(timer.split())
    publish(host, security=daemons("1.0"))
    host.sh(f"apt-get -qqy install {PACKAGES} >/dev/null 2>&1")
    publish(host, security=daemons("1.1"))
    host.sh(f"systemctl stop {DOWN}")
    began, daemons_began = process(host), processes(host)
    assert are_others([""] * len(DAEMONS), daemons_began)
    # Somebody who maps what is replaced below, and seems to be the service; and one who only seems to map such things.
    for path, script in ((MAPPER, MAPS), ("/var/tmp/somebody", FORGED_GROUP), ("/var/tmp/forger", FORGERS)):
        host.host.exec(["tee", path], stdin=script.encode())
    host.sh("systemd-run --quiet --unit=somebody bash -e /var/tmp/somebody")
    host.sh("systemd-run --quiet --unit=forger -p User=nobody bash -e /var/tmp/forger")
    for mapped in (r" r-xp .*/libsample\.so", "/forged-line.so (deleted)", "/forged-mount.so (deleted)"):
        assert eventually(host, f"grep -qsa '{mapped}' /proc/[0-9]*/maps"), host.sh("journalctl -n 30")
    host.host.exec(["systemctl", "start", "apt-daily-upgrade.service"], timeout=120 * host.patience)
    assert versions(host) == ["1.0", "1.1"]
    assert process(host) == began, "the service was restarted outside of the window"
    came = host.sh(f"dpkg-query -W -f '${{Version}} ' {PACKAGES}; systemctl is-active sample-new {DOWN}").split()
    assert came == ["1.1", "1.1", "1.1", "active", "active"], "what did not run was started at once"
    assert processes(host) == daemons_began, "a service was restarted outside of the window by its package"
    old = host.sh(f"{PROGRAM} old-code")
    assert f"({began}, sample.service: {LIBRARY})" in old
    assert f"a session: {LIBRARY})" in old
    assert old.count("sample.service") == 1, "a person's processes are taken for a service's"
    assert r"\x1b[2J\rhidden (" in old
    assert "forge" not in old
    assert f"(sample-own.service: {OWN})" in re.sub(r"\(\d+, ", "(", old)
    assert all(f"{name}.service (its package put off a restart)" in old for name in DAEMONS)
    assert eventually(host, f"systemctl show -p Result,ActiveState {CHECK} | grep -c '=success\\|=inactive' | grep 2")
    assert "nothing keeps this host from its updates" in said(host, CHECK)

    # Whoever is at work is waited for, and told of when the window is over.
    host.sh('sed -i \'s/"window_minutes": [0-9]*/"window_minutes": 0.05/\' /etc/holdfast/updates.json')
    armed = "/var/lib/holdfast/guard/armed.json"
    host.sh(f"""systemd-run --quiet --unit=busy sh -c 'echo "exec sleep 60" | {SERVICES} run notes'
        timeout 20 sh -c 'until pgrep -fx "sleep 60"; do sleep 0.1; done'
        mkdir -p /run/systemd/system/{JOB}.d; cp /dev/stdin /run/systemd/system/{JOB}.d/zz.conf <<END
[Service]
ExecStart=
ExecStart=flock /var/lib/apt/daily_lock sleep 61
END
        systemctl daemon-reload""")
    for name, begin in {
        "deploy": "true",  # a one-off command of a service
        "backup": "systemd-run --quiet --unit=busy flock /run/holdfast/locks/backup sleep 60",
        "drill": "systemd-run --quiet --unit=busy flock /run/holdfast/locks/drill sleep 60",
        "the host's own job": f"systemctl start --no-block {JOB}; until pgrep -fx 'sleep 61'; do sleep 0.1; done",
    }.items():
        host.sh(f"{begin}; sleep 1; timeout 60 systemctl start {WINDOW}", check=False)
        assert f"nothing was restarted: {name}" in said(host, WINDOW)
        # What Debian's job started survives it.
        host.sh(f"systemctl stop busy {JOB} 'notes-run@*'; pkill -fx 'sleep 61'", check=False)
    host.sh(f"rm -r /run/systemd/system/{JOB}.d; systemctl daemon-reload; systemctl reset-failed")
    host.sh(f"""echo '{{"id": "x", "who": "somebody", "until": 0}}' > {armed}""")
    host.sh(f"systemctl start {WINDOW}", check=False)
    assert "unconfirmed commit of somebody" in said(host, WINDOW)
    assert host.sh(f"systemctl is-failed {WINDOW}").strip() == "failed"
    assert process(host) == began
    host.sh(f"rm {armed}; systemctl start {WINDOW}")
    restarted = ", ".join(f"{name}.service" for name in (*DAEMONS, "sample"))
    assert f"restarted: {restarted}" in said(host, WINDOW)
    assert process(host) != began
    assert are_others(daemons_began, processes(host))
    host.sh("pkill -f maps.py; systemctl stop somebody forger", check=False)
    assert "sample" not in host.sh(f"{PROGRAM} old-code")

    # A person's own apt restarts at once. What is removed is stopped, whoever removes it.
    publish(host, security=daemons("1.2"))
    daemons_began = processes(host)
    host.sh(f"apt-get -qqy install --only-upgrade {PACKAGES} >/dev/null 2>&1")
    assert are_others(daemons_began, processes(host))
    as_the_job = f"env $(systemctl show -p Environment --value {JOB})"
    host.sh(f"{as_the_job} apt-get -qqy remove sample-script sample-older >/dev/null 2>&1")
    stopped = host.sh("systemctl is-active sample-script sample-older sample-own", check=False)
    assert stopped.split() == ["inactive", "inactive", "active"]

    # What still runs old code because it chooses to is told, and keeps the host from no reboot.
    host.sh(STUBBORN)
    host.sh('sed -i \'s/"reboot": true/"reboot": false/\' /etc/holdfast/updates.json; touch /run/reboot-required')
    host.sh(f"systemctl start {WINDOW}", check=False)
    assert "a reboot is needed" in said(host, WINDOW)
    assert "restarted, and still running old code: stubborn.service" in said(host, WINDOW)
    longer = 's/"reboot": false/"reboot": true/; s/"window_minutes": 0.05/"window_minutes": 60/'
    host.sh(f"sed -i '{longer}' /etc/holdfast/updates.json; systemctl start --no-block {WINDOW}")
    end = time.monotonic() + 30 * host.patience
    while host.host.running() and time.monotonic() < end:
        time.sleep(0.3)
    assert not host.host.running(), "the host did not go down for its reboot"


def lasts_too_long(host: Target, told: Callable[[], str]) -> None:
    """What is well for some days fails the check then: a reboot, old code of a service, an update that is kept back."""
    state, settings = "/var/lib/holdfast/updates/lasting.json", "/etc/holdfast/updates.json"
    publish(host, security=[sample("sample-secure", "1.2", more="Depends: sample-nowhere\n")])
    host.sh("touch /run/reboot-required; echo linux-image-sample > /run/reboot-required.pkgs")
    # It was allowed to be held back.
    host.sh(f"""sed -i 's/"held": .*"sample-secure".*/"held": [],/' {settings}""")
    host.host.exec(["systemctl", "start", JOB], timeout=120 * host.patience)
    host.sh(f"systemctl start {CHECK}")
    assert host.sh(f"stat -c '%a %U' {state} $(dirname {state})").split() == ["600", "root", "700", "root"]
    known = json.loads(host.sh(f"cat {state}"))
    kinds = ["boot", "kept", "looked", "process", "reboot", "window"]
    assert sorted({key.split()[0] for key in known}) == kinds, known

    def age(days: int, **changed: str) -> None:
        """Have all that lasts last for so many days, by other settings."""
        clock = {key: value for key, value in known.items() if key.split()[0] in ("boot", "looked")}
        then = json.dumps({key: value - days * 86400 for key, value in known.items()} | clock)
        host.host.exec(["tee", state], stdin=then.encode())
        orders = json.loads(host.sh(f"cat {settings}")) | changed
        host.host.exec(["tee", settings], stdin=json.dumps(orders).encode())

    at = json.loads(host.sh(f"cat {settings}"))["window_at"]
    age(10)
    late = told()
    assert "a reboot has been needed for 10 days (asked for by linux-image-sample), and the host's window has" in late
    assert re.search(r"replaced code has been running for 10 days \(.*sample\.service: ", late), late
    assert "updates have been kept back for 10 days (sample-secure): " in late

    age(10, window_at=host.sh("date -u -d '+2 days' '+%m-%d 03:00'").strip())
    waiting = told()
    assert "a reboot" not in waiting, "its window is still to come"
    assert "replaced code" not in waiting
    assert "sample-secure" in waiting, "which no window installs"
    age(10, window_at="")
    assert "linux-image-sample): declare host.window, in which the host does it by itself" in told()
    host.host.exec(["tee", state], stdin=b"{")
    host.sh(f"systemctl start {CHECK}")
    assert host.sh(f"systemctl is-failed {CHECK}", check=False).strip() == "inactive"

    # The window, opened by hand, ends what it can, and the check looks again.
    age(10, window_at=at)
    assert "replaced code" in told()
    host.sh("rm /run/reboot-required* /var/lib/unattended-upgrades/kept-back")
    host.sh(f"systemctl start {WINDOW}")
    assert eventually(host, f"systemctl is-failed {CHECK} | grep -x inactive")
    left = {key.split()[0] for key in json.loads(host.sh(f"cat {state}"))}
    assert left == {"boot", "looked", "window"}, left


def test_what_keeps_a_host_from_its_updates(host: Target) -> None:
    """Each cause is a failed unit whose message names it."""

    def told() -> str:
        host.sh(f"systemctl reset-failed; systemctl start {CHECK}", check=False)
        assert host.sh(f"systemctl is-failed {CHECK}", check=False).strip() == "failed"
        return said(host, CHECK)

    host.sh(f"systemctl start {CHECK}")
    host.sh("apt-mark hold sample-secure")
    assert "a held package gets no security updates: sample-secure" in told()
    host.sh("""sed -i 's/"held": \\[\\]/"held": ["sample-secure"]/' /etc/holdfast/updates.json""")
    host.sh(f"systemctl start {CHECK}; apt-mark unhold sample-secure")
    assert host.sh(f"systemctl is-failed {CHECK}", check=False).strip() == "inactive"

    host.sh("mkdir -p /var/lib/apt/periodic; touch -d '5 days ago' /var/lib/apt/periodic/upgrade-stamp")
    assert "unattended-upgrades last succeeded 5 days ago; allowed are 3" in told()

    # The list names a package that cannot be fetched. Debian's own job ends well; the check follows it.
    host.sh("mv /srv/repositories/security/sample-secure_1.1_all.deb /root")
    host.host.exec(["systemctl", "start", "apt-daily-upgrade.service"], timeout=120 * host.patience)
    assert eventually(host, f"systemctl is-failed {CHECK}")
    assert "the upgrade that began " in said(host, CHECK)
    host.sh("mv /root/sample-secure_1.1_all.deb /srv/repositories/security")
    host.host.exec(["systemctl", "start", "apt-daily-upgrade.service"], timeout=120 * host.patience)
    assert eventually(host, f"! systemctl is-failed {CHECK}")
    assert versions(host)[1] == "1.1"

    lasts_too_long(host, told)

    full = f"mount -t tmpfs -o size=8m none /var && {PROGRAM} check"
    assert "/var is full: 8 MiB free" in host.sh(f"unshare -m sh -c '{full}' 2>&1", check=False)

    publish(host, other=[sample("sample-lonely", "1.0", more="Depends: sample-nowhere\n")])
    host.sh("dpkg --force-depends -i /srv/repositories/other/sample-lonely_1.0_all.deb 2>&1")
    broken = told()
    assert "broken dependencies" in broken
    assert "sample-nowhere" in broken


def test_patch(host: Target, tmp_path: Path) -> None:
    """Check mode only lists; a run installs, restarts, proves; one that leaves a host unwell stops the series."""
    began = process(host)
    witness = Witness(host)
    listed = host.play(PATCH, "--check")
    assert f"sample-secure 1.0 -> 1.1 (available for 5 days; {CVE})" in listed.text
    assert "sample-other" not in listed.text
    assert not listed.changed
    witness.assert_untouched()

    # A run whose controller dies is finished by the host itself.
    killed = host.start(PATCH)
    assert eventually(host, "systemctl is-active holdfast-updates-patch", 60)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert eventually(host, "! systemctl is-active holdfast-updates-patch", 60)
    assert versions(host) == ["1.0", "1.1"]
    assert process(host) != began

    began = process(host)
    publish(host, security=[sample("sample-secure", "1.2")])
    done = host.play(PATCH)
    assert f"installed: sample-secure 1.1 -> 1.2 (available for 5 days; {CVE})" in done.text
    assert "restarted: sample.service" in done.text
    assert "needs no reboot" in done.text
    assert versions(host) == ["1.0", "1.2"]
    assert process(host) != began
    assert LIBRARY not in host.sh(f"{PROGRAM} old-code")
    assert "Need a reboot" not in done.text
    host.sh("touch /run/reboot-required; echo linux-image-sample > /run/reboot-required.pkgs")
    again = host.play(PATCH)
    assert "nothing is pending" in again.text
    assert not again.changed
    listed_once = "web1, in its window, which opens Sun 00:00 UTC: asked for by linux-image-sample"
    assert (again.text.count("Need a reboot:"), again.text.count(listed_once)) == (1, 1), again.text[-2000:]

    # Another host follows in the series, at an address where nobody is: after one that is unwell it is not tried.
    edited = own(host, tmp_path)
    folder = edited.inventory.path
    hosts = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))
    hosts["all"]["hosts"]["web2"] = {}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    declared = yaml.safe_load((folder / "host_vars/web1.yml").read_text(encoding="utf-8"))
    declared["host"]["address"] = str(host.host.lab.network()[0][250])
    (folder / "host_vars/web2.yml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    unentered = edited.play(PATCH, "--check", "-e", "contact_timeout=3", expect=4)
    assert "web2 could not be reached" in unentered.text
    assert unentered.text.count(listed_once) == 1, "who needs a reboot is told also where a host cannot be entered"
    publish(host, security=[sample("sample-secure", "1.3", BROKEN)])
    stopped = edited.play(PATCH, "-e", "package=sample-secure", expect=2)
    assert "web1 is not well, and no further host was patched" in stopped.text
    assert stopped.text.count(listed_once) == 1, "who needs a reboot is told also where the series stops"
    assert f"this library is {BROKEN}" in stopped.text
    assert "web2" not in stopped.text.partition("PLAY [Patch the hosts]")[2]
    assert versions(host) == ["1.0", "1.3"]


def tracker(folder: Path, release: str) -> Path:
    """Write data as the security tracker has it, of the source of the patch by an advisory's name."""

    def entry(version: str) -> dict[str, Any]:
        state = {"status": "resolved", "fixed_version": version, "urgency": "not yet assigned"}
        return {"scope": "remote", "releases": {release: state, "sid": state | {"fixed_version": "1.0.1"}}}

    open_still = {"scope": "remote", "releases": {release: {"status": "open", "urgency": "low"}}}
    versions = {"CVE-2026-10001": "1.1", "CVE-2025-9": "1.1", "CVE-2025-9999": "1.0+b1", "CVE-2026-2222": "1.0"}
    versions |= {"CVE-2026-3333": "0", "CVE-2026-4444": "1.1+1", "TEMP-0000000-AAAAAA": "1.1"}
    source = {cve: entry(version) for cve, version in versions.items()} | {"CVE-2026-5555": open_still}
    path = folder / "tracker.json"
    path.write_text(json.dumps({"sample-source": source, "other": {"CVE-2026-6666": entry("1.1")}}), encoding="utf-8")
    return path


def test_patch_by_the_name_of_an_advisory(host: Target, tmp_path: Path) -> None:
    """It is the source's: all that is installed of it comes, whatever its name; a name that means nothing is told."""
    source = "Source: sample-source\n"
    names = ("sample-tool", "libsample1t64", "sample-doc")
    publish(host, security=[sample(name, "1.0", more=source) for name in names])
    host.sh("apt-get -qqy install sample-tool libsample1t64 >/dev/null")
    # The host's health is looked at amid the patch and not before it, and is not what it should be.
    host.sh("systemctl stop holdfast-health.timer")
    host.sh("""sed -i '/"memory"/,/}/s/"fail": [0-9]*/"fail": 0/' /etc/holdfast/health.json""")
    after = f"{REPLACE_ZLIB}; systemctl start holdfast-health || true"
    newer = [{**sample(name, "1.1", more=source), "scripts": {"postinst": after}} for name in names]
    publish(host, security=newer)
    data = tracker(tmp_path, host.host.release)
    listed = host.play(PATCH, "-e", "package=sample-source", "-e", f"tracker={data}", "--check")
    told = re.findall(r"sample-source 1\.0 -> 1\.1: ([-CVE0-9, ]+)", listed.text)
    assert told == ["CVE-2025-9999, CVE-2026-10001"], listed.text[-3000:]
    assert not listed.changed
    # A host whose program is older than the question is patched all the same.
    host.sh(f"""sed -i 's/verb == "fixes"/verb == "no such"/' {PROGRAM}""")
    done = host.play(PATCH, "-e", "package=sample-source", "-e", f"tracker={data}")
    assert "which CVE ids it fixes could not be asked" in " ".join(done.text.split())
    for name in names[:2]:
        assert f"installed: {name} 1.0 -> 1.1 (available for 5 days; {CVE})" in done.text
    assert "not by this patch: holdfast-health.service has failed" in done.text
    # Which the patch itself mapped, too: it was not restarted by itself.
    assert "restarted: sample.service" in done.text
    assert host.sh("dpkg-query -W -f '${Package} ${Version},' 'sample-*' 'libsample*'") == (
        "libsample1t64 1.1,sample-other 1.0,sample-secure 1.0,sample-tool 1.1,"
    )
    again = host.play(PATCH, "-e", "package=sample-source")
    assert "up to date: libsample1t64 1.1, sample-tool 1.1, by package lists of " in again.text
    elsewhere = host.play(PATCH, "-e", "package=sample-doc")
    assert "sample-doc is not installed on this host" in elsewhere.text
    assert not again.changed
    assert not elsewhere.changed
    mistyped = host.play(PATCH, "-e", "package=sample-sorce", expect=2)
    assert "apt knows no package and no source of the name 'sample-sorce'; did you mean sample-source?" in mistyped.text


@pytest.mark.full
def test_patch_beside_others(host: Target) -> None:
    """Apt at work is waited for, and named when it never ends; what had failed before blocks no patch."""
    host.sh("mkdir -p /var/lib/apt/periodic; touch -d '5 days ago' /var/lib/apt/periodic/upgrade-stamp")
    host.sh(f"systemctl start {CHECK}; systemd-run --quiet --wait --unit=sample-backup false", check=False)
    assert host.sh(f"systemctl is-failed {CHECK} sample-backup").split() == ["failed", "failed"]
    hold = ["systemd-run", "--quiet", "--collect", "--unit=busy", "python3", "-c", HOLD]

    host.host.exec([*hold, "600"])
    host.sh("cd /usr/local/lib/holdfast/updates; sed -i.kept 's/^LOCK_SECONDS = .*/LOCK_SECONDS = 2/' patching.py")
    refused = host.play(PATCH, expect=2)
    busy = host.sh("systemctl show -p MainPID --value busy").strip()
    assert f"apt was not used: python3 (process {busy}) was at work all the time" in refused.text
    assert versions(host) == ["1.0", "1.0"]
    host.sh("cd /usr/local/lib/holdfast/updates; mv patching.py.kept patching.py; systemctl stop busy")

    host.host.exec([*hold, "25"])
    waited = host.play(PATCH)
    assert "installed: sample-secure 1.0 -> 1.1" in waited.text
    assert "not by this patch: sample-backup.service has failed" in waited.text
    assert CHECK not in waited.text, "the patch has mended what it complained of"
    assert host.sh(f"systemctl is-failed {CHECK}", check=False).strip() == "inactive"

    host.sh("apt-mark hold sample-other")
    publish(host, security=[sample("sample-secure", "1.2")])
    past_a_hold = host.play(PATCH)
    assert "installed: sample-secure 1.1 -> 1.2" in past_a_hold.text
    assert "not by this patch: a held package gets no security updates: sample-other" in past_a_hold.text


def test_policy(target: Target, tmp_path: Path) -> None:
    """What policy says is what apt and systemd do; without a window nothing restarts by itself."""
    edited = own(target, tmp_path)
    origin = "origin=Elsewhere,codename=${distro_codename}"
    edit(edited, "group_vars/all/policy.yml", lambda data: data["policy"].update(updates={"origins": [origin]}))
    edit(edited, "host_vars/web1.yml", lambda data: data["host"].pop("window"))
    target.sh("touch /run/reboot-required")
    ran = edited.play(SITE)
    assert "web1, by hand, since it has no window: asked for by a package" in ran.text, ran.text[-2000:]
    origins = target.sh("apt-config dump | grep Origins-Pattern::").splitlines()
    assert [line.split('"')[1] for line in origins][1:] == [origin]
    assert target.sh("systemctl is-enabled holdfast-updates-window.timer", check=False).strip() == "disabled"
    assert target.sh("systemctl is-active holdfast-updates-window.timer", check=False).strip() == "inactive"


def test_times_are_what_systemd_takes(target: Target) -> None:
    """What the preflight lets pass, and what it refuses, this release's systemd takes and refuses."""
    ask = 'while IFS= read -r at; do systemd-analyze calendar -- "$at UTC" >/dev/null 2>&1 && echo yes || echo no; done'
    texts = [*GOOD, *PLAINER, *BAD]
    answers = target.host.exec(["sh", "-c", ask], stdin="".join(f"{text}\n" for text in texts).encode()).stdout.split()
    assert dict(zip(texts, answers, strict=True)) == {text: "no" if text in BAD else "yes" for text in texts}


def test_times_of_the_timers(target: Target, tmp_path: Path) -> None:
    """A window of several ranges is the timer's; what is set beside the data is judged by the host, in both timers."""
    edited = own(target, tmp_path)
    edit_host(edited, window={"at": "Mon..Wed,Fri 02:30", "minutes": 30})
    edited.play(SITE)
    # A policy of somebody else's, as images made for containers have it, is not written over.
    policy = "/usr/sbin/policy-rc.d"
    target.sh(f"mv {policy} /root; printf '#!/bin/sh\\nexit 101\\n' > {policy}")
    refused = edited.play(SITE, expect=2)
    assert f"{policy} is not holdfast's" in " ".join(refused.text.split()), refused.text[-2000:]
    assert target.sh(f"cat {policy}") == "#!/bin/sh\nexit 101\n"
    target.sh(f"mv /root/policy-rc.d {policy}")

    names = "apt-daily-upgrade.timer holdfast-updates-window.timer"
    timers = f"systemctl is-active {names}; systemctl show -p TimersCalendar {names} | grep -o 'OnCalendar=[^;]*'"
    before = target.sh(timers)
    assert "Mon..Wed,Fri *-*-* 02:30:00 UTC" in before
    assert before.split()[:2] == ["active", "active"]
    for wrong in ({"updates_every": "now and then"}, {"updates_window": {"at": "Fri..Mon 03:00", "minutes": 30}}):
        refused = edited.play(SITE, "-e", json.dumps(wrong), expect=2)
        assert "nothing was changed" in refused.text, refused.text[-2000:]
        assert "Failed to parse calendar" in " ".join(refused.text.split()), refused.text[-2000:]
        assert target.sh(timers) == before
