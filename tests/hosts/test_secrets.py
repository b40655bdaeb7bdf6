"""No secret of the inventory is seen anywhere: what a run prints, keeps and shows to others is searched for them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import inventory

from .conftest import HOST, POLICY, Target
from .searching import KEPT, Sampler, on_controller, search
from .starts import SITE, edit

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKUP, PATCH, RUN = (f"playbooks/{name}.yml" for name in ("backup", "patch", "run"))


def run_as_root_on(target: Target, script: str) -> bytes:
    """Output of a script on the host's console, as bytes."""
    return subprocess.run(
        [*target.container.engine.command, "exec", target.container.container, "sh", "-c", script],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True,
    ).stdout  # fmt: skip


def left_here(target: Target, since: float) -> list[str]:
    """Every secret that lies on the controller where runs leave things, and where."""
    secrets = target.inventory.secrets
    return [line for path, data in on_controller(target.inventory.path, since) for line in search(path, data, secrets)]


def look(target: Target, playbook: str, *arguments: str) -> list[str]:
    """Run a playbook as loudly as it gets, whose output is searched there; return all secrets seen elsewhere."""
    secrets = dict(target.inventory.secrets)
    since = time.time()
    here = Sampler([])
    there = Sampler([*target.container.engine.command, "exec", target.container.container])
    try:
        target.play(playbook, "-vvv", "--diff", *arguments)
    finally:
        seen = {"processes of the controller": here.stop(), "processes of the host": there.stop()}
    found = [line for where, data in seen.items() for line in search(where, data, secrets)]
    return found + search("kept on the host", run_as_root_on(target, KEPT), secrets) + left_here(target, since)


def test_no_secret_is_seen(bare: Target, tmp_path: Path) -> None:
    """A first run, one that changes nothing, one of an admin whose sudo asks for a password, and what else there is."""
    edit(bare, "group_vars/all/policy.yml", lambda data: data.update(policy=POLICY))  # its backups have a password, too
    bare.environment.update(ANSIBLE_CACHE_PLUGIN="jsonfile", ANSIBLE_CACHE_PLUGIN_CONNECTION=str(tmp_path / "facts"))
    assert look(bare, SITE) == []
    assert look(bare, SITE) == []
    given = tmp_path / "given.json"
    given.write_text(
        json.dumps(
            {
                "operator": "alice",
                "ansible_become_password": bare.inventory.secrets["alice_password"],
                "ansible_ssh_private_key_file": str(bare.inventory.keys["alice"]),
            }
        ),
        encoding="utf-8",
    )
    assert look(bare, SITE, "-e", f"@{given}") == []
    assert look(bare, BACKUP, "-e", f"@{given}") == []
    assert (
        look(bare, RUN, "-e", json.dumps({"service": "notes", "command": "test -s $CREDENTIALS_DIRECTORY/token"})) == []
    )
    assert look(bare, PATCH, "--check", "-e", f"@{given}") == []
    for path in (tmp_path / "facts").rglob("*"):
        assert path.is_dir() or search(str(path), path.read_bytes(), bare.inventory.secrets) == []
    # Each did arrive where it belongs: there was something to be seen.
    places = "cat /etc/shadow /etc/holdfast/secrets/notes/token /etc/holdfast/secrets/holdfast-backup/password"
    arrived = bare.sh(places)
    missing = [name for name in ("rescue_hash", "alice_hash", "notes_token", "backup_password")
               if bare.inventory.secrets[name] not in arrived]  # fmt: skip
    assert missing == []


PLANTS = {
    "journal": "logger -t careless 'it is SECRET'",
    "a log": "echo 'SECRET' > /var/log/careless.log",
    "base64 in /tmp": "printf 'user:%s:x' 'SECRET' | base64 -w0 > /tmp/careless",
    "a file for everybody": "echo 'SECRET' > /srv/careless; chmod 644 /srv/careless",
    "a process": "systemd-run --quiet --unit=careless --setenv=PASSWORD='SECRET' sleep 60",
}


@pytest.mark.parametrize("plant", PLANTS)
def test_the_search_finds_what_was_planted(target: Target, plant: str) -> None:
    """Each place of the search, with a secret in it."""
    secrets = target.inventory.secrets
    target.sh(PLANTS[plant].replace("SECRET", secrets["alice_password"]))
    sampler = Sampler([*target.container.engine.command, "exec", target.container.container])
    try:
        target.sh("sleep 1")
    finally:
        seen = sampler.stop()
    found = search("there", run_as_root_on(target, KEPT) + seen, secrets)
    assert any("alice_password" in line for line in found), found


class Nobody:
    """A host that is not there: what is planted on the controller needs none."""

    name, address = HOST, "192.0.2.77"


@pytest.fixture
def alone(tmp_path: Path) -> Target:
    """An inventory whose host nobody has started."""
    return Target(Nobody(), inventory.write(tmp_path / "inventory", [Nobody()]))  # type: ignore[arg-type]


@pytest.fixture
def planted(alone: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """A secret in a file of each place of the controller that is searched."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # the user's own is not ours to put something in
    path = alone.inventory.path
    handle, name = tempfile.mkstemp(prefix="careless-")
    os.close(handle)
    files = [
        Path.home() / ".ansible/tmp/careless",
        path / ".holdfast/careless",
        path / "known_hosts" / HOST,
        Path(name),
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"-- " + base64.b64encode(b"it is " + alone.inventory.secrets["backup_password"].encode()))
    yield files
    Path(name).unlink()


def test_the_search_finds_what_lies_on_the_controller(alone: Target, planted: list[Path]) -> None:
    """In each place of it, but not what lay about before the run, and not in the user's inventory."""
    found = left_here(alone, time.time() - 60)
    assert {line.partition(": backup_password")[0] for line in found} == {str(file) for file in planted}
    assert str(planted[-1]) not in str(left_here(alone, time.time() + 60))


def test_the_search_finds_what_processes_of_the_controller_show(alone: Target) -> None:
    """In an environment, and on a command line."""
    secrets = alone.inventory.secrets
    shown = subprocess.Popen(
        ["sh", "-c", "sleep 60", secrets["notes_token"]], env={**os.environ, "PASSWORD": secrets["alice_password"]}
    )
    sampler = Sampler([])
    try:
        time.sleep(1)
    finally:
        seen = sampler.stop()
        shown.kill()
        shown.wait()
    assert {line.split()[1] for line in search("here:", seen, secrets)} == {"notes_token", "alice_password"}


def test_the_search_finds_what_a_run_says(alone: Target) -> None:
    """A secret in a playbook's output is a failure of every test that runs it."""
    with pytest.raises(AssertionError, match="rescue_password") as caught:
        alone.play("tests/hosts/playbooks/careless.yml", "-e", f"@{alone.inventory.path}/secrets.json")
    assert alone.inventory.secrets["rescue_password"] not in str(caught.value)
