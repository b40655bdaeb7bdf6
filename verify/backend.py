"""testinfra's ssh backend, able to use a sudo that asks for a password."""

from __future__ import annotations

import subprocess
from typing import Any, Final

from testinfra.backend import base, ssh

from verify.entry import not_root, shut_out
from verify.remote_call import BOOT, RemoteError, answer_of, source

SECONDS: Final = 300
"""Seconds for one program; a virtual machine on a busy processor took more than two minutes for one."""


class SudoSshBackend(ssh.SshBackend):  # type: ignore[misc]  # testinfra has no types
    """Every command runs as root by sudo; a password goes over standard input, never into arguments or environment."""

    def __init__(self, name: str, ssh_config: str, control: str, password: str | None, *, sudo: bool = True) -> None:
        """Reach the host `name` of `ssh_config`; `control` is the path of the shared control socket.

        Without `sudo` the login is root's own: a host that was never hardened may not have it.
        """
        super().__init__(name, ssh_config=ssh_config, sudo=sudo, controlpath=control)
        self._password = password if sudo else None  # root's own login has no use for it
        self._stdin = ""

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Build the sudo call: without a password it must not wait for one."""
        mode = "-k -S -p ''" if self._password else "-n"
        user = base.BaseBackend.quote("-u %s ", sudo_user) if sudo_user else ""
        # In English: what it complains of is read.
        return str(base.BaseBackend.quote(f"env LC_ALL=C sudo {mode} {user}/bin/sh -c %s", command))

    def decode(self, data: bytes) -> str:
        """Return what a host wrote as text: bytes that are none must not end the work for all the others."""
        return data.decode(errors="replace")

    def run_local(self, command: str, *args: str) -> base.CommandResult:
        """Run the ssh command line with the password and the waiting program as its input."""
        line = self.encode(self.quote(command, *args))
        fed = (f"{self._password}\n" if self._password else "") + self._stdin
        done = subprocess.run(  # noqa: S602 testinfra quotes every word
            line,
            shell=True,
            input=fed.encode(),
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        return self.result(done.returncode, line, done.stdout, done.stderr)

    def call(self, program: str, params: dict[str, Any]) -> Any:
        """Run one of the programs in verify/remote on the host as root.

        Raises:
            RemoteError: the host cannot be entered, sudo refuses, or the program fails.
        """
        self._stdin = source(program, params)
        try:
            done = self.run("python3 -c %s", BOOT)
        except RuntimeError as error:
            result = error.args[0]
            raise RemoteError(shut_out(str(getattr(result, "stderr", result)))) from error
        except subprocess.TimeoutExpired as error:
            raise RemoteError(f"{program}: no answer from the host within {SECONDS} s") from error
        finally:
            self._stdin = ""
        if done.rc and (refusal := not_root(done.stderr, password=bool(self._password))):
            raise RemoteError(refusal)
        if done.rc == 127:
            raise RemoteError(f"it was never hardened, or lost what it needs: {done.stderr.strip()[-200:]}")
        return answer_of(program, done.rc, done.stdout, done.stderr)
