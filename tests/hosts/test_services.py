"""Services on a real host: apart from each other, replaced with a way back, removed, and seen when they fail."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import tarfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.inventory import SAMPLE

from .bounds import FORKS, SPINS, within
from .conftest import HOST, Run, Target
from .reports import details, verify
from .starts import SITE, edit, own

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

RUN = "playbooks/run.yml"
COPY = "tests/hosts/playbooks/release.yml"
PORT = 8010
SERVICES, VAULT = "group_vars/all/services.yml", "group_vars/all/vault.yml"


def shop(folder: Path, **more: Any) -> dict[str, Any]:
    """Return a second service: on a port, with a release of its own that a test may spoil."""
    if not folder.exists():
        shutil.copytree(SAMPLE, folder)
    return {
        "name": "shop",
        "on": ["web"],
        "release": {"path": str(folder)},
        "run": {"web": {"exec": "serve", "port": PORT, "health": {"path": "/healthz"}}},
        "listen": [{"port": PORT}],
        "secrets": ["token"],
        "memory": "128M",
        **more,
    }


def declare(target: Target, *services: dict[str, Any]) -> None:
    """Declare the lab's blog, and these."""
    edit(target, SERVICES, lambda data: data.update(services=[data["services"][0], *services]))
    edit(target, VAULT, lambda data: data["vault"].update(services={"notes": TOKEN, "shop": TOKEN}))


TOKEN = {"token": "bitter-almond"}
# What the one service may have, so little that a test may ask for more.
TASKS, PERCENT = 40, 10
# What some reader of quotes on its way would take for its own.
ODD = r""" a "b" 'c' \\ \n $HOME ${HOME} `id` 100% %i %% # d; e=f""" + "\t\\"


# Folders that lie deeper than Python removes them.
DEEP = """
import os, sys
os.chdir(sys.argv[1])
for _ in range(1500):
    os.mkdir("x")
    os.chdir("x")
"""


def declared(target: Target, name: str) -> dict[str, Any]:
    """Return a declared service."""
    data = yaml.safe_load((target.inventory.path / SERVICES).read_text(encoding="utf-8"))
    found: dict[str, Any] = next(one for one in data["services"] if one["name"] == name)
    return found


def instance(target: Target, template: str) -> str:
    """Return the one instance of a template that runs."""
    units = target.sh(f"systemctl list-units --plain --no-legend --state=active '{template}@*'").split("\n")
    (unit,) = [line.split()[0] for line in units if line]
    return unit


def since(target: Target, unit: str) -> str:
    """Tell when a unit was started."""
    return target.sh(f"systemctl show -P ExecMainStartTimestampMonotonic {unit}")


def ask(target: Target) -> str:
    """Ask the shop from outside which release answers."""
    door = http.client.HTTPConnection(target.host.address, PORT, timeout=5)
    try:
        door.request("GET", "/")
        return door.getresponse().read().decode()
    finally:
        door.close()


class Load:
    """Asks the shop all the time; tells how many answers came and what failed."""

    def __init__(self, target: Target) -> None:
        """Begin to ask on entry."""
        self.target, self.answers = target, 0
        self.failed: list[str] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self.over.wait(0.02):
            try:
                ask(self.target)
                self.answers += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{time.monotonic():.2f} {error!r}")

    def __enter__(self) -> Load:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def one_off(target: Target, service: str, command: str, *, expect: int = 0) -> str:
    """Run a command in the sandbox of a service; return all that the run says."""
    return target.play(RUN, "-e", json.dumps({"service": service, "command": command}), expect=expect).text


@pytest.mark.both
def test_two_services_are_apart(target: Target, tmp_path: Path) -> None:
    """Neither as its user nor in its sandbox does one reach what is another's, nor take what it needs to run."""
    mine = own(target, tmp_path)
    notes = {**declared(mine, "notes"), "tasks": TASKS, "cpu": PERCENT}
    declare(mine, {**notes, "env": {"COLOUR": "vermilion"}}, shop(tmp_path / "shop", env={"GREETING": ODD}))
    mine.environment["HOLDFAST_CALLS_FILE"] = str(tmp_path / "calls")
    mine.environment["ANSIBLE_CALLBACKS_ENABLED"] = "remote_calls"
    told = mine.play(SITE, "--check", "--diff")
    assert TOKEN["token"] not in told.text
    assert not mine.sh("getent passwd shop || true")
    first = mine.play(SITE, "--diff", "-vv")
    assert TOKEN["token"] not in first.text
    again = mine.play(SITE)
    assert again.changed == 0, again.text[-3000:]
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    print(f"remote calls: {calls}")
    assert ask(mine) in instance(mine, "shop-web")

    web = instance(mine, "notes-web")
    pid = mine.sh(f"systemctl show -P MainPID {web}").strip()
    socket = mine.sh("ls /run/notes").strip()
    mine.sh("echo private > /srv/notes/shared/letter; chown notes: /srv/notes/shared/letter")
    read = {
        "state": "cat /srv/notes/shared/letter",
        "code": f"cat {mine.sh('ls -d /srv/notes/releases/*').strip()}/serve",
        "credential": f"cat /run/credentials/{web}/token",
        "socket": f"python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/notes/{socket}\")'",
        "environment": f"grep -z vermilion /proc/{pid}/environ",
        "declared environment": "grep vermilion /etc/holdfast/services/notes.env",
    }
    for what, command in read.items():
        # Not even its own user reads the environment from outside of its user namespace.
        owner = "root" if "environment" in what else "notes"
        assert mine.sh(f"runuser -u {owner} -- sh -c {json.dumps(command)} >/dev/null && echo yes").strip() == "yes"
        refused = mine.sh(f"runuser -u shop -- sh -c {json.dumps(command)} 2>&1 || true")
        assert "Permission denied" in refused or "PermissionError" in refused, f"{what}: {refused}"
    assert "Permission denied" in mine.sh("runuser -u notes -- cat /etc/holdfast/secrets/notes/token 2>&1 || true")
    for lock in ("/run/holdfast/locks/deploy", "/run/holdfast/locks/backup", "/var/lib/apt/daily_lock"):
        kept = mine.sh(f"runuser -u shop -- flock --nonblock {lock} true 2>&1 || true")
        assert "Permission denied" in kept, "a service keeps updates or backups away"
    ask_systemd = f"systemctl show {web}; systemctl cat {web}"
    told_to_all = mine.sh(f"runuser -u shop -- sh -c '{ask_systemd}; cat /etc/systemd/system/* 2>/dev/null; true'")
    assert f"Id={web}" in told_to_all
    assert "vermilion" not in told_to_all

    # In the sandbox there is nothing of others to be refused; its own is there.
    seen = one_off(
        mine,
        "shop",
        "ls -A /srv /home /etc/holdfast /root 2>&1; ls -d /proc/[0-9]* | wc -l; id -un; "
        'printf %s "$GREETING" > $HOME/mine; '
        "wc -c < $CREDENTIALS_DIRECTORY/token; test -s $HOME/mine && echo kept; touch ./x 2>&1; touch /etc/x 2>&1; "
        "cat /srv/notes/shared/letter 2>&1; ls /proc/" + pid + " 2>&1; exit 0",
    )
    for line in ("kept", "shop", str(len(TOKEN["token"]))):
        assert line in seen, f"{line}:\n{seen}"
    assert seen.count("Read-only file system") >= 2, seen
    assert "private" not in seen
    assert seen.count("No such file or directory") >= 2, seen
    assert mine.sh("ls /srv/shop/shared").strip() == "mine"
    assert mine.sh("cat /srv/shop/shared/mine") == ODD
    shop_pid = mine.sh(f"systemctl show -P MainPID {instance(mine, 'shop-web')}").strip()
    assert mine.sh(f"grep -z ^GREETING= /proc/{shop_pid}/environ").rstrip("\0") == f"GREETING={ODD}"

    failed = one_off(mine, "shop", "echo so far; exit 7", expect=2)
    assert "so far" in failed
    assert "exit code 7" in failed
    record = mine.sh("journalctl -t holdfast-run -o cat")
    assert "shop: oper runs: echo so far; exit 7" in record
    assert "the command of oper ended with 7" in record

    assert_bounded(mine, web)

    # What has another environment is started again, and nothing else.
    began = since(mine, web)
    declare(mine, {**notes, "env": {"COLOUR": "vermilion"}}, shop(tmp_path / "shop", env={"GREETING": "good day"}))
    mine.play(SITE)
    shop_pid = mine.sh(f"systemctl show -P MainPID {instance(mine, 'shop-web')}").strip()
    assert mine.sh(f"grep -z ^GREETING= /proc/{shop_pid}/environ").rstrip("\0") == "GREETING=good day"
    assert since(mine, web) == began


def assert_bounded(target: Target, unit: str) -> None:
    """By the kernel's word a service gets the processes and the time that are declared, and others go on meanwhile."""
    with within(target, unit, FORKS) as forks:
        assert forks["refused"], f"nothing stopped it: {forks}"
        assert 0 < forks["children"] < TASKS, forks
        assert forks["refusals"] > 0, f"the kernel counted none: {forks}"
        assert ask(target) in instance(target, "shop-web")
        assert target.ssh("oper") == 0
    with within(target, unit, SPINS) as spins:
        pass
    assert spins["throttled"] > 0, spins
    # What a period gives may be used at once.
    assert spins["used"] <= spins["took"] * PERCENT / 100 + 0.2, spins
    assert target.sh(f"systemctl show -P NRestarts {unit}").strip() == "0"


def not_up(run: Run, name: str) -> str:
    """Return what a run tells in the end of a service that is not up, without what its unit says each time anew."""
    return (
        run.text.rpartition("Fail where a service is not up")[2].partition(f"not up: {name}: ")[2].partition(" / ")[0]
    )


def test_a_change_of_release(target: Target, tmp_path: Path) -> None:
    """What cannot start keeps its old release and units, and the run says why; what can is released all the same."""
    mine = own(target, tmp_path)
    folder = tmp_path / "notes"
    shutil.copytree(SAMPLE, folder)
    notes = {**declared(mine, "notes"), "release": {"path": str(folder)}}
    tock = {"name": "tock", "exec": "tick", "at": "daily"}
    declare(mine, {**notes, "schedule": [*notes["schedule"], tock]}, shop(tmp_path / "shop"))
    mine.play(SITE)
    before, old_shop = instance(mine, "notes-web"), instance(mine, "shop-web")
    files = (
        "cd /etc && sha256sum systemd/system/notes-* holdfast/secrets/notes/token holdfast/services/notes.env;"
        " stat -c %a /srv/notes/shared"
    )
    as_it_was, started = mine.sh(files), since(mine, before)

    # Of three one cannot start any more, one never could, and one has a good new release.
    broken = "#!/bin/sh\necho the database is not there >&2\nexit 3\n"
    (folder / "serve").write_text(broken)
    shutil.copytree(folder, tmp_path / "fresh")
    with (tmp_path / "shop/serve").open("a") as handle:
        handle.write("# another\n")
    fresh = {
        "name": "fresh",
        "on": ["web"],
        "release": {"path": str(tmp_path / "fresh")},
        "run": {"web": {"exec": "serve"}},
    }
    declare(mine, {**notes, "env": {"GREETING": "changed"}}, shop(tmp_path / "shop"), fresh)
    edit(mine, VAULT, lambda data: data["vault"]["services"].update(notes={"token": "sweet-almond"}))
    mine.sh("useradd --shell /bin/bash mallory; systemd-run --quiet --collect --uid=mallory --unit=mallory sleep 600")
    first = mine.play(SITE, expect=2)
    assert mine.sh("pgrep -u mallory || true") == "", "what fails to start kept somebody in"
    for name in ("notes", "fresh"):
        assert not_up(first, name).startswith(f"{name}-web@"), first.text[-4000:]
    assert first.text.rpartition("Fail where a service is not up")[2].count("the database is not there") >= 2
    assert (instance(mine, "notes-web"), since(mine, before)) == (before, started), "it was not left alone"
    assert mine.sh(files) == as_it_was
    assert mine.sh(f"systemctl is-enabled {before}").strip() == "enabled"
    assert mine.sh("ls /etc/systemd/system/*.wants | grep fresh; find /etc/systemd/system -name 'fresh-*'; true") == ""
    new_shop = instance(mine, "shop-web")
    assert ask(mine) in new_shop != old_shop

    # The same again: it is not well all of a sudden, and what runs is left alone.
    running = since(mine, new_shop)
    mine.sh("chmod 777 /srv/notes/shared /srv/shop; chown root /srv/shop/shared")
    again = mine.play(SITE, expect=2)
    for name in ("notes", "fresh"):
        assert not_up(again, name) == not_up(first, name)
    assert (since(mine, before), since(mine, new_shop)) == (started, running)
    places = mine.sh("stat -c '%a %U' /srv/shop /srv/shop/shared").split()
    assert places == ["750", "root", "750", "shop"], "what was changed by hand is as it was"

    shutil.copy(SAMPLE / "serve", folder / "serve")
    with (folder / "serve").open("a") as handle:
        handle.write("# another\n")
    (tmp_path / "shop/serve").write_text("#!/bin/sh\nexit 3\n")
    declare(mine, notes, shop(tmp_path / "shop"))
    mine.sh("rm /etc/holdfast/secrets/shop/.last-up.json")  # as on a host where what was up was not kept yet
    held = mine.play(SITE, expect=2)
    assert "port 8010 cannot be held twice" in " ".join(held.text.split()), held.text[-3000:]
    assert ask(mine) in new_shop
    after = instance(mine, "notes-web")
    assert after != before
    assert f"{after} is up, instead of {before}" in " ".join(held.text.split())
    assert mine.sh(f"systemctl is-enabled {after} {before} || true").split() == ["enabled", "disabled"]
    assert mine.sh("find /etc/systemd -name 'notes-tock*'") == "", "the way back brought it, and nobody declares it now"
    assert instance(mine, "notes-tick").endswith(f"@{after.partition('@')[2].removesuffix('.service')}.timer")
    shutil.copy(SAMPLE / "serve", tmp_path / "shop/serve")
    mine.play(SITE)
    assert ask(mine) in old_shop
    assert mine.play(SITE).changed == 0


def test_where_a_release_comes_from(target: Target, tmp_path: Path) -> None:
    """A link and an archive are as good as a directory; what is no more what it was named by is not put there."""
    mine = own(target, tmp_path)
    build = tmp_path / "builds/42"
    shutil.copytree(SAMPLE, build)
    with (build / "serve").open("a") as handle:
        handle.write("# another\n")
    (tmp_path / "current").symlink_to("builds/42")
    with tarfile.open(tmp_path / "shop.tar.gz", "w:gz") as archive:
        archive.add(build, arcname=".")
    notes = {**declared(mine, "notes"), "release": {"path": str(tmp_path / "current")}}
    other = shop(tmp_path / "shop", release={"path": str(tmp_path / "shop.tar.gz")})
    declare(mine, notes, other)
    mine.play(SITE)
    for name in ("notes", "shop"):
        ident = instance(mine, f"{name}-web").partition("@")[2].removesuffix(".service")
        assert "# another" in mine.sh(f"cat /srv/{name}/releases/{ident}/serve")
    declare(mine, {**notes, "release": {"path": str(build)}}, other)
    assert mine.play(SITE).changed == 0, "it is the same release"

    before = mine.sh("ls -A /srv/*/releases")
    old = "0123456789ab"
    for name, source in (("notes", tmp_path / "current"), ("shop", tmp_path / "shop.tar.gz")):
        releases = [{"name": name, "source": str(source), "place": f"/srv/{name}/releases/{old}"}]
        refused = mine.play(COPY, "-e", json.dumps({"releases": releases}), expect=2)
        assert f"the source changed since the run began, from {old} to" in " ".join(refused.text.split())
    assert mine.sh("ls -A /srv/*/releases") == before


def test_a_removed_service(target: Target, tmp_path: Path) -> None:
    """What is declared no more is gone within the run, but for its state; its neighbour under load loses nothing."""
    mine = own(target, tmp_path)
    declare(mine, declared(mine, "notes"), shop(tmp_path / "shop"))
    mine.play(SITE)
    mine.sh("echo dear > /srv/notes/shared/letter; chown notes: /srv/notes/shared/letter")
    mine.sh(f"runuser -u notes -- python3 -c {shlex.quote(DEEP)} /run/notes")
    notes = declared(mine, "notes")
    declare(mine, declared(mine, "shop"))
    with Load(mine) as load:
        run = mine.play(SITE)
    assert load.failed == []
    assert load.answers > 50
    assert "its account stays locked, since it owns /srv/notes/shared" in " ".join(run.text.split())
    assert (
        mine.sh("systemctl list-units --all --plain --no-legend 'notes-*'; ls -d /run/notes 2>/dev/null || true") == ""
    )
    assert mine.sh("ls -A /srv/notes; cat /srv/notes/shared/letter").split() == ["shared", "dear"]
    assert mine.sh("find /etc -name 'notes*' ! -path '/etc/.git/*'; find /etc/systemd -xtype l") == ""
    account = mine.sh("getent passwd notes; passwd -S notes")
    assert "/usr/sbin/nologin" in account
    assert " L " in account

    # It comes back with its state; the other one, which owns nothing, is gone for good, its port closed.
    declare(mine, notes)
    run = mine.play(SITE)
    assert mine.sh("cat /srv/notes/shared/letter").strip() == "dear"
    assert instance(mine, "notes-web")
    assert "its account are gone; it owned nothing" in " ".join(run.text.split())
    assert mine.sh("getent passwd shop; ls -d /srv/shop /etc/holdfast/secrets/shop 2>/dev/null || true") == ""
    with pytest.raises(OSError, match=r"timed out|refused|unreachable"):
        ask(mine)


def test_an_account_stays_for_what_it_owns_on_another_filesystem(target: Target) -> None:
    """One that is mounted anywhere on the host is searched; with nothing of it left the account is gone."""
    ghost = (
        "id ghost 2>/dev/null || useradd --system --user-group --comment holdfast-service ghost;"
        ' echo \'{"parts": [], "schedules": [], "ports": []}\' > /var/lib/holdfast/services/ghost.json;'
        " /usr/bin/python3 -IS /usr/local/lib/holdfast/services settle 3"
    )
    target.sh("useradd --system --user-group --comment holdfast-service ghost")
    target.sh("mkdir '/mnt/a volume' && mount -t tmpfs tmpfs '/mnt/a volume' && mkdir -m 700 '/mnt/a volume/root'")
    target.sh("install -o ghost /dev/null '/mnt/a volume/root/letter'")
    assert "its account stays locked, since it owns /mnt/a volume/root/letter" in target.sh(ghost)
    target.sh("rm '/mnt/a volume/root/letter'; install -o ghost /dev/null /usr/local/letter")
    assert "its account stays locked, since it owns /usr/local/letter" in target.sh(ghost)
    target.sh("rm /usr/local/letter")
    assert "its account are gone; it owned nothing" in target.sh(ghost)
    assert target.sh("getent passwd ghost || true") == ""


def test_a_disk_that_is_full_while_a_release_is_copied(target: Target, tmp_path: Path) -> None:
    """The run says so, and what to do; nothing of the release is left, what runs runs on, the next run repairs."""
    mine = own(target, tmp_path)
    declare(mine, declared(mine, "notes"), shop(tmp_path / "shop"))
    mine.sh("mkdir /srv/shop && mount -t tmpfs -o size=512k tmpfs /srv/shop")
    mine.play(SITE)
    before, started = instance(mine, "shop-web"), since(mine, instance(mine, "shop-web"))
    left = "find /srv/shop/releases -mindepth 1 | sort; sha256sum /etc/systemd/system/shop-*"
    as_it_was = mine.sh(left)
    (tmp_path / "shop/data").write_bytes(os.urandom(2_000_000))
    refused = " ".join(mine.play(SITE, expect=2).text.split())
    assert "copy the release /srv/shop/releases/" in refused
    assert "nothing was changed: [Errno 28] No space left on device; make room in /srv/shop/releases, and" in refused
    assert mine.sh(left) == as_it_was
    assert since(mine, before) == started
    assert ask(mine) in before

    mine.sh("mount -o remount,size=16m /srv/shop")
    mine.play(SITE)
    after = instance(mine, "shop-web")
    assert ask(mine) in after != before
    assert mine.play(SITE).changed == 0


@pytest.mark.full
def test_jobs_of_old_releases_and_removed_schedules(target: Target, tmp_path: Path) -> None:
    """How they ended is forgotten; one that still runs ends with its schedule, and else runs its course.

    One that fails after the next release came is seen until the schedule has run well once. What forgets it runs as
    root, and without what the service has in its environment.
    """
    mine = own(target, tmp_path)
    folder = tmp_path / "notes"
    shutil.copytree(SAMPLE, folder)
    schedules = [
        {"name": name, "exec": command, "at": "yearly"}
        for name, command in (
            ("kept-failed", "/bin/false"),
            ("kept-running", "/bin/sh -c '[ ! -e /srv/notes/shared/slow ] || exec sleep 900'"),
            ("removed-failed", "/bin/false"),
            ("removed-running", "/bin/sleep 901"),
        )
    ]
    loader = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": "/srv/notes/shared/ld"}  # each process writes a file of its own
    notes = {**declared(mine, "notes"), "release": {"path": str(folder)}, "env": loader}
    declare(mine, {**notes, "schedule": schedules})
    mine.play(SITE)
    old = instance(mine, "notes-web").partition("@")[2].removesuffix(".service")
    mine.sh("touch /srv/notes/shared/slow")
    for schedule in schedules:
        mine.sh(f"systemctl start --no-block notes-{schedule['name']}@{old}")
    failed = "systemctl list-units --failed --plain --no-legend 'notes-*'"
    under_way = f"[ $({failed} | wc -l) = 2 ] && pgrep -fx '/bin/sleep 901'"
    mine.sh(f"for i in $(seq 100); do {under_way} && exit 0; sleep 0.2; done; exit 1")

    with (folder / "serve").open("a") as handle:
        handle.write("# another\n")
    declare(mine, {**notes, "schedule": schedules[:2]})
    mine.play(SITE)
    new = instance(mine, "notes-web").partition("@")[2].removesuffix(".service")
    assert new != old
    assert mine.sh(failed) == ""
    assert mine.sh("pgrep -afx '(/bin/)?sleep 90[01]' | cut -d ' ' -f 2-").splitlines() == ["sleep 900"]

    mine.sh("rm /srv/notes/shared/slow; pkill -KILL -fx 'sleep 900'")
    mine.sh(f"timeout 15 sh -c 'until systemctl is-failed -q notes-kept-running@{old}; do sleep 0.2; done'")
    assert f"notes-kept-running@{old}.service" in mine.sh(failed)
    mine.sh(f"systemctl start notes-kept-failed@{new}", check=False)
    assert f"notes-kept-running@{old}.service" in mine.sh(failed)
    mine.sh(f"systemctl start notes-kept-running@{new}")
    mine.sh(f"timeout 15 sh -c 'while systemctl is-failed -q notes-kept-running@{old}; do sleep 0.2; done'")
    assert [line.split()[0] for line in mine.sh(failed).splitlines()] == [f"notes-kept-failed@{new}.service"]
    loaded_by = mine.sh("find /srv/notes/shared -name 'ld.*' -printf '%u\\n' | sort -u").split()
    assert loaded_by == ["notes"], "a process of root's is told by the service what to load"


def test_what_fails_is_seen(target: Target, tmp_path: Path) -> None:
    """A restart loop, a failed schedule and a sandbox that is open further: each is told of."""
    mine = own(target, tmp_path)
    needs = [{"directive": "MemoryDenyWriteExecute=no", "reason": "the JIT of its interpreter"}]
    declare(mine, {**declared(mine, "notes"), "needs": needs})
    mine.play(SITE)
    release = instance(target, "notes-web").partition("@")[2]
    for number in (1, 2, 3):
        target.sh(f"systemctl kill -s KILL notes-web@{release}")
        back = f"[ $(systemctl show -P NRestarts notes-web@{release}) = {number} ]"
        target.sh(f"timeout 15 sh -c 'until {back} && systemctl is-active -q notes-web@{release}; do sleep 0.2; done'")
    target.sh(
        f"chown root /srv/notes/shared; systemctl start notes-tick@{release} || true; chown notes /srv/notes/shared"
    )
    _run, data = verify(mine, tmp_path / "report", expect=2)
    assert "the sandbox of notes has MemoryDenyWriteExecute=no: the JIT of its interpreter" in data["hosts"][0]["notes"]
    failed = details(data, HOST, "failed")
    found = " ".join(failed["services"])
    assert f"notes-web@{release} was started again 3 times" in found
    assert f"the last run of notes-tick@{release} failed" in found
    # Where this took long, the host's own look at its health has come meanwhile: it tells of the schedule, too.
    health = failed.pop("health", [])
    assert all("notes-tick" in one for one in health), health
    assert set(failed) == {"services"}
