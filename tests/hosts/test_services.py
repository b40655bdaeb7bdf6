"""Services on a real host: apart from each other, replaced with a way back, removed, and seen when they fail."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.inventory import SAMPLE

from .conftest import HOST, Target
from .reports import details, verify
from .starts import SITE, edit, own

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

RUN = "playbooks/run.yml"
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


def test_two_services_are_apart(target: Target, tmp_path: Path) -> None:
    """Neither as its user nor in its sandbox does one reach what is another's; each reaches its own."""
    mine = own(target, tmp_path)
    notes = declared(mine, "notes")
    declare(mine, notes, shop(tmp_path / "shop", env={"GREETING": 'a "b" 100%'}))
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
        "environment": f"tr '\\0' ' ' < /proc/{pid}/environ",
    }
    for what, command in read.items():
        # Not even its own user reads the environment from outside of its user namespace.
        owner = "root" if what == "environment" else "notes"
        assert mine.sh(f"runuser -u {owner} -- sh -c {json.dumps(command)} >/dev/null && echo yes").strip() == "yes"
        refused = mine.sh(f"runuser -u shop -- sh -c {json.dumps(command)} 2>&1 || true")
        assert "Permission denied" in refused or "PermissionError" in refused, f"{what}: {refused}"
    assert "Permission denied" in mine.sh("runuser -u notes -- cat /etc/holdfast/secrets/notes/token 2>&1 || true")

    # In the sandbox there is nothing of others to be refused; its own is there.
    seen = one_off(
        mine,
        "shop",
        "ls -A /srv /home /etc/holdfast /root 2>&1; ls -d /proc/[0-9]* | wc -l; id -un; echo $GREETING; "
        "wc -c < $CREDENTIALS_DIRECTORY/token; touch $HOME/mine && echo kept; touch ./x 2>&1; touch /etc/x 2>&1; "
        "cat /srv/notes/shared/letter 2>&1; ls /proc/" + pid + " 2>&1; exit 0",
    )
    for line in ('a "b" 100%', "kept", "shop", str(len(TOKEN["token"]))):
        assert line in seen.replace("\\", ""), f"{line}:\n{seen}"
    assert seen.count("Read-only file system") >= 2, seen
    assert "private" not in seen
    assert seen.count("No such file or directory") >= 2, seen
    assert mine.sh("ls /srv/shop/shared").strip() == "mine"

    failed = one_off(mine, "shop", "echo so far; exit 7", expect=2)
    assert "so far" in failed
    assert "exit code 7" in failed
    record = mine.sh("journalctl -t holdfast-run -o cat")
    assert "shop: oper runs: echo so far; exit 7" in record
    assert "the command of oper ended with 7" in record


def test_a_change_of_release(target: Target, tmp_path: Path) -> None:
    """A release that cannot start leaves the old one running, and the run says why; a good one replaces it."""
    mine = own(target, tmp_path)
    folder = tmp_path / "notes"
    shutil.copytree(SAMPLE, folder)
    notes = {**declared(mine, "notes"), "release": {"path": str(folder)}}
    declare(mine, notes, shop(tmp_path / "shop"))
    mine.play(SITE)
    before, old_shop = instance(mine, "notes-web"), instance(mine, "shop-web")
    started = mine.sh(f"systemctl show -P ExecMainStartTimestampMonotonic {before}")

    for name in ("notes", "shop"):
        program = tmp_path / name / "serve"
        program.write_text("#!/bin/sh\necho the database is not there >&2\nexit 3\n")
    mine.sh("useradd --shell /bin/bash mallory; systemd-run --quiet --collect --uid=mallory --unit=mallory sleep 600")
    broken = mine.play(SITE, expect=2)
    assert mine.sh("pgrep -u mallory || true") == "", "what fails to start kept somebody in"
    said = " ".join(broken.text.split())
    assert "the database is not there" in said, broken.text[-3000:]
    assert "everything was put back" in said
    assert instance(mine, "notes-web") == before
    assert mine.sh(f"systemctl show -P ExecMainStartTimestampMonotonic {before}") == started, "it was not left alone"
    assert ask(mine) in instance(mine, "shop-web") == old_shop

    for name in ("notes", "shop"):
        shutil.copy(SAMPLE / "serve", tmp_path / name / "serve")
    with (tmp_path / "notes/serve").open("a") as handle:
        handle.write("# another\n")
    (tmp_path / "shop/serve").write_text("#!/bin/sh\nexit 3\n")
    held = mine.play(SITE, expect=2)
    assert "port 8010 cannot be held twice" in " ".join(held.text.split()), held.text[-3000:]
    assert ask(mine) in old_shop
    shutil.copy(SAMPLE / "serve", tmp_path / "shop/serve")
    good = mine.play(SITE)
    after = instance(mine, "notes-web")
    assert after != before
    assert f"{after} is up, instead of {before}" in " ".join(good.text.split())
    assert mine.sh(f"systemctl is-enabled {after} {before} || true").split() == ["enabled", "disabled"]
    assert instance(mine, "notes-tick").endswith(f"@{after.partition('@')[2].removesuffix('.service')}.timer")
    assert mine.play(SITE).changed == 0


def test_a_removed_service(target: Target, tmp_path: Path) -> None:
    """What is declared no more is gone within the run, but for its state; its neighbour under load loses nothing."""
    mine = own(target, tmp_path)
    declare(mine, declared(mine, "notes"), shop(tmp_path / "shop"))
    mine.play(SITE)
    mine.sh("echo dear > /srv/notes/shared/letter; chown notes: /srv/notes/shared/letter")
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


def test_what_fails_is_seen(target: Target, tmp_path: Path) -> None:
    """A restart loop and a failed schedule: each is told of."""
    release = instance(target, "notes-web").partition("@")[2]
    for number in (1, 2, 3):
        target.sh(f"systemctl kill -s KILL notes-web@{release}")
        back = f"[ $(systemctl show -P NRestarts notes-web@{release}) = {number} ]"
        target.sh(f"timeout 15 sh -c 'until {back} && systemctl is-active -q notes-web@{release}; do sleep 0.2; done'")
    target.sh(
        f"chown root /srv/notes/shared; systemctl start notes-tick@{release} || true; chown notes /srv/notes/shared"
    )
    _run, data = verify(target, tmp_path / "report", expect=2)
    found = " ".join(details(data, HOST, "failed")["services"])
    assert f"notes-web@{release} was started again 3 times" in found
    assert f"the last run of notes-tick@{release} failed" in found
    assert set(details(data, HOST, "failed")) == {"services"}
