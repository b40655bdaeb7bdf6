"""No secret of the inventory is seen anywhere: what a run prints, keeps and shows to others is searched for them."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .starts import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Target

# Both halves run this: command lines and environments of all processes, a line each.
PROCESSES = r"""
import glob
for path in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
    try:
        print(open(path, 'rb').read().replace(b'\0', b' ').decode('utf-8', 'replace'))
    except OSError:
        pass
"""
SAMPLER = f"import time\nwhile True:\n    exec({PROCESSES!r})\n    time.sleep(0.1)\n"
# Whatever lies on the host and is not the shadow file or a service's secret in its place, whoever may read it; and what
# everybody may read.
KEPT = r"""
cd /
journalctl --no-pager -o export -a 2>/dev/null
find var/log tmp var/tmp root/.ansible home var/lib/holdfast var/spool etc run usr/local -xdev -type f \
    ! -path 'etc/shadow*' ! -path 'etc/holdfast/secrets/*' \
    ! -path 'var/lib/holdfast/guard/*/shadow*' -size -4096k -exec cat {} + 2>/dev/null
find . -xdev -perm -o+r -type f -newer etc/machine-id -size -4096k ! -path './proc/*' ! -path './sys/*' \
    ! -path './usr/*' -exec cat {} + 2>/dev/null
true
"""


def shapes(secret: str) -> dict[str, bytes]:
    """The forms in which a secret may be found: plain, and base64 at each of the three alignments."""
    found = {"plain": secret.encode()}
    for shift in range(3):
        # Only the characters that do not depend on the neighbours.
        text = base64.b64encode(b"\0" * shift + secret.encode()).rstrip(b"=")
        found[f"base64+{shift}"] = text[(0, 2, 3)[shift] : -1]
    return found


def search(where: str, data: bytes, secrets: dict[str, str]) -> list[str]:
    """Say which secrets are in ``data``."""
    return [
        f"{where}: {name} ({shape})"
        for name, secret in secrets.items()
        for shape, wanted in shapes(secret).items()
        if wanted in data
    ]


class Sampler:
    """Looks at all processes of a machine ten times a second."""

    def __init__(self, prefix: list[str]) -> None:
        """Start; ``prefix`` leads to the machine."""
        self.process = subprocess.Popen(
            [*prefix, "python3", "-c", SAMPLER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.data = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        """Keep what is new: the same lines come again and again."""
        assert self.process.stdout
        seen = set()
        for line in self.process.stdout:
            if line not in seen:
                seen.add(line)
        self.data = b"".join(seen)

    def stop(self) -> bytes:
        """End it; return all that was seen."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        return self.data


def on_controller(target: Target) -> Iterator[tuple[str, bytes]]:
    """What a run leaves on the controller, besides the inventory that the user wrote."""
    folders = [Path.home() / ".ansible", target.inventory.path / ".holdfast", target.inventory.path / "known_hosts"]
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and "collections" not in path.parts and path.stat().st_size < 4 << 20:
                yield str(path), path.read_bytes()


def run_as_root_on(target: Target, script: str) -> bytes:
    """Output of a script on the host's console, as bytes."""
    return subprocess.run(
        [*target.container.engine.command, "exec", target.container.container, "sh", "-c", script],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True,
    ).stdout  # fmt: skip


def look(target: Target, *arguments: str) -> list[str]:
    """Run the playbook as loudly as it gets; return every secret that was seen, and where."""
    secrets = dict(target.inventory.secrets)
    here = Sampler([])
    there = Sampler([*target.container.engine.command, "exec", target.container.container])
    run = target.play(SITE, "-vvv", "--diff", *arguments)
    found = search("processes of the controller", here.stop(), secrets)
    found += search("processes of the host", there.stop(), secrets)
    found += search("output", run.text.encode(), secrets)
    found += search("kept on the host", run_as_root_on(target, KEPT), secrets)
    for path, data in on_controller(target):
        found += search(path, data, secrets)
    return found


def test_no_secret_is_seen(bare: Target, tmp_path: Path) -> None:
    """A first run, one that changes nothing, and one of an admin whose sudo asks for a password."""
    bare.environment.update(ANSIBLE_CACHE_PLUGIN="jsonfile", ANSIBLE_CACHE_PLUGIN_CONNECTION=str(tmp_path / "facts"))
    assert look(bare) == []
    assert look(bare) == []
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
    assert look(bare, "-e", f"@{given}") == []
    for path in (tmp_path / "facts").rglob("*"):
        assert path.is_dir() or search(str(path), path.read_bytes(), bare.inventory.secrets) == []
    # The hash did arrive where it belongs: there was something to be seen.
    assert bare.inventory.secrets["rescue_hash"] in bare.sh("cat /etc/shadow")


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
