"""Programs on the outsider: what a machine finds on its network."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts.conftest import Target


def address(target: Target) -> str:
    """Return the outsider's IPv4 address."""
    done = subprocess.run([*target.host.lab.outsider(), "hostname", "-I"], check=True, capture_output=True, text=True)
    return done.stdout.split()[0]


@contextlib.contextmanager
def outside(target: Target, program: str, *arguments: str) -> Iterator[None]:
    """Run a Python program that says when it is ready, and ends with its input."""
    with subprocess.Popen(
        [*target.host.lab.outsider(), "python3", "-c", program, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            running.communicate("enough\n", timeout=30)
