"""Searching for secrets: in what a run prints, in what it leaves behind, and in what processes show meanwhile."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
# Whatever lies on the host and is not where secrets belong, whoever may read it; and what everybody may read.
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
MOST = 4 << 20
"""Larger files are none of a run's."""


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
        with self.process.stdout as stream:
            self.data = b"".join(set(stream))

    def stop(self) -> bytes:
        """End it; return all that was seen."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        return self.data


def on_controller(inventory: Path, since: float) -> Iterator[tuple[str, bytes]]:
    """What runs leave on the controller, besides the inventory that the user wrote.

    Of the folder for temporary files, in which much is not theirs, only what was made since a time.
    """
    own = [Path.home() / ".ansible", inventory / ".holdfast", inventory / "known_hosts"]
    for path in _files(own):
        if "collections" not in path.parts:
            yield from _read(path, 0)
    for path in _files([Path(tempfile.gettempdir())]):
        if not path.is_relative_to(inventory):
            yield from _read(path, since)


def _files(folders: list[Path]) -> Iterator[Path]:
    """Each file in these folders."""
    return (Path(where) / name for folder in folders for where, _, names in os.walk(folder) for name in names)


def _read(path: Path, since: float) -> Iterator[tuple[str, bytes]]:
    """Yield a file's path and what is in it, where it is one that was made or changed since."""
    # Another run on this controller may take its own files away meanwhile.
    with contextlib.suppress(FileNotFoundError):
        if path.is_file() and path.stat().st_ctime >= since and path.stat().st_size < MOST:
            yield str(path), path.read_bytes()
