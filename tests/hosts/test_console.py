"""The console door: where SSH is shut, one account gets in on a terminal of the host, with a password."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from .conftest import HOST, Target
from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSOLE = "rescue"


def terminal(target: Target) -> Iterator[Terminal]:
    """A login prompt on the host's own terminal, as getty opens one."""
    shown = Terminal([*target.container.console, "/bin/login"])
    try:
        yield shown
    finally:
        shown.close()


def test_console_door(target: Target) -> None:
    """The declared account gets a shell and sudo; a wrong password, root and another person get nothing."""
    password = target.inventory.secrets["rescue_password"]
    for shown in terminal(target):
        shown.expect("login:")
        shown.type(CONSOLE)
        shown.expect("assword:")
        shown.type(password)
        shown.type("id -un; tty")
        shown.expect("/dev/pts/")
        assert CONSOLE in shown.text.split()
        shown.type("sudo -k; sudo id -u; echo ended-$?")
        shown.expect(f"for {CONSOLE}:")
        shown.type(password)
        shown.expect("ended-0")
        assert password not in shown.text
    for name, word in ((CONSOLE, "wrong-" + password), ("oper", password), ("root", password)):
        for shown in terminal(target):
            shown.expect("login:")
            shown.type(name)
            shown.expect("assword:")
            shown.type(word)
            shown.expect("incorrect")


def test_ssh_refuses_the_console_account(target: Target) -> None:
    """Neither with its password nor with a key that somebody gave it."""
    folder = target.inventory.path.parent / "askpass"
    folder.mkdir(exist_ok=True)
    answer = folder / "answer"
    answer.write_text('#!/bin/sh\nprintf "%s\\n" "$LAB_PASSWORD"\n', encoding="utf-8")
    answer.chmod(0o700)
    done = subprocess.run(
        ["ssh", "-v", "-F", "none", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o",
         f"UserKnownHostsFile={target.inventory.path}/known_hosts/{HOST}", "-o", f"HostKeyAlias={HOST}",
         f"{CONSOLE}@{target.host.address}", "true"],
        env={**os.environ, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "LAB_PASSWORD":
             target.inventory.secrets["rescue_password"]},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr
    assert "Next authentication method: password" not in done.stderr
    key = target.inventory.keys["stranger"].with_suffix(".pub").read_text(encoding="utf-8")
    target.sh(f"echo '{key.strip()}' > /etc/ssh/authorized_keys.d/{CONSOLE}")
    assert target.ssh(CONSOLE, "true", key="stranger") == 255
    # The same key opens the door of somebody who may use SSH, so it was the account that was refused.
    target.sh(f"echo '{key.strip()}' > /etc/ssh/authorized_keys.d/oper")
    assert target.ssh("oper", "true", key="stranger") == 0
