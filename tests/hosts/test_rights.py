"""What a person without a shell gets: connections to the declared places, with real traffic, and nothing else."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from .conftest import HOST, Target
from .starts import SITE, edit, edit_person, own
from .traffic import PORT, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from lab.hosts import Lab, LabHost

CLOSED_PORT = PORT + 1
NO_SHELL = "This account is currently not available."
PROHIBITED = "administratively prohibited"


@pytest.fixture
def neighbour(lab: Lab, release: str) -> Iterator[LabHost]:
    """A host behind the other one, as the provider hands it over."""
    host = lab.start("web2", release)
    yield host
    host.stop()


def with_right(target: Target, **right: Any) -> None:
    """Bob has this right alone, on the first host."""
    verified = {"by": "oper", "on": "2026-01-01"}
    edit_person(target, "bob", rights=[{**right, "on": [HOST], "verified": verified}])


def ssh(target: Target, *options: str, command: str = "") -> subprocess.CompletedProcess[str]:
    """Bob's ssh with more options."""
    argv = target.ssh_argv("bob", command)
    argv[1:1] = options
    return subprocess.run(
        argv if command else argv[:-1],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def assert_no_more(target: Target) -> None:
    """No command, no shell, no files, no other place, no listener and no agent."""
    for options, command in (([], "id -un"), ([], ""), (["-s"], "sftp")):
        refused = ssh(target, *options, command=command)
        assert NO_SHELL in refused.stdout, (options, command, refused)
        assert "bob" not in refused.stdout
        assert refused.returncode == 1
    elsewhere = ssh(target, "-W", f"127.0.0.1:{CLOSED_PORT}")
    assert PROHIBITED in elsewhere.stderr, elsewhere
    assert elsewhere.stdout == ""
    listener = ssh(target, "-N", "-o", "ExitOnForwardFailure=yes", "-R", "9000:127.0.0.1:22")
    assert "remote port forwarding failed" in listener.stderr, listener
    assert listener.returncode == 255


def test_forward(target: Target, tmp_path: Path) -> None:
    """Connections go to the declared place and come back whole; who may log in forwards nowhere."""
    mine = own(target, tmp_path)
    for port in (PORT, CLOSED_PORT):
        serve(mine.host, port, size=300_000)
    shell = ssh(mine, "-W", f"127.0.0.1:{PORT}")
    assert PROHIBITED in shell.stderr, shell
    assert ssh(mine, command="id -un").stdout.strip() == "bob"

    with_right(mine, forward=[f"127.0.0.1:{PORT}"])
    mine.play(SITE)
    forwarded = ssh(mine, "-W", f"127.0.0.1:{PORT}")
    assert forwarded.stdout.strip() == "127.0.0.1", forwarded
    assert len(forwarded.stdout) == 300_000
    assert_no_more(mine)
    assert mine.play(SITE).changed == 0


def test_jump(target: Target, neighbour: LabHost, tmp_path: Path) -> None:
    """The SSH door of the host behind is reached through this one, by a name of the inventory too; no other port is."""
    mine = own(target, tmp_path)
    serve(mine.host, CLOSED_PORT)
    edit(mine, "hosts.yml", lambda data: data["all"]["hosts"].update(web2={}))
    (mine.inventory.path / "host_vars/web2.yml").write_text(
        (mine.inventory.path / f"host_vars/{HOST}.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    behind = Target(neighbour, mine.inventory)
    edit(behind, "host_vars/web2.yml", lambda data: data["host"].update(address=neighbour.address, ssh={"jump": HOST}))
    with_right(mine, jump=True)
    mine.play(SITE, "--limit", HOST)
    reached = ssh(mine, "-W", f"{neighbour.address}:22")
    assert reached.stdout.startswith("SSH-2.0-"), reached
    other_port = ssh(mine, "-W", f"{neighbour.address}:25")
    assert PROHIBITED in other_port.stderr, other_port
    assert_no_more(mine)
