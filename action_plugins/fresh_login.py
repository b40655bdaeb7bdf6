"""fresh_login: log in over a connection of its own and say, in one word, how that went.

The connection that Ansible holds open proves nothing about the next login: it was authenticated before sshd, PAM,
the firewall or the keys changed. This plugin opens a second one with every option of the task's own connection (key,
jump host, known hosts, timeouts), which uses no shared one. Other action plugins use its :meth:`ActionModule.login`.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import math
import os
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from ansible import constants as C  # noqa: N812 (its name everywhere in Ansible)
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Outcomes that waiting may mend; every other failure is final until somebody changes something.
RETRY = frozenset({"throttled", "refused", "no answer", "closed"})

# What `ssh -v` prints to stderr, most telling first. A jump host's ssh writes to the same stderr: "account refused"
# must therefore not be read out of the jump host's success followed by the target's closed door.
SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("throttled", re.compile(r"Not allowed at this time|Exceeded MaxStartups")),
    ("host key", re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED")),
    ("no common algorithm", re.compile(r"Unable to negotiate with|no matching .* found")),
    ("refused", re.compile(r"Connection refused")),
    (
        "no answer",
        re.compile(
            r"timed out|No route to host|(?:Network|Host) is unreachable|Could not resolve hostname"
            r"|Timeout \(\d+s\) waiting for|Timeout, server .* not responding"
            r"|Killed by signal 15"  # by the deadline of the login
        ),
    ),
    ("denied", re.compile(r"Permission denied|Too many authentication failures")),
    (
        "account refused",
        re.compile(
            r"(?:Server accepts key|Authenticated to)(?!.*kex_exchange_identification).*Connection (?:closed|reset)",
            re.DOTALL,
        ),
    ),
    ("closed", re.compile(r"kex_exchange_identification|Connection (?:closed|reset)|Broken pipe")),
)
# Characters of a host's text within a sentence.
LONGEST = 1000
ACCEPTED = re.compile(r"Server accepts key: .*?(SHA256:[A-Za-z0-9+/]{43})")
HOST_KEY = re.compile(r"Server host key: (\S+) (SHA256:[A-Za-z0-9+/]{43})")
NOISE = re.compile(
    r"^(?:debug\d: .*|OpenSSH_\S+.*|Authenticated to .* using .*|Transferred: sent .*|Bytes per second: .*"
    r"|Killed by signal 1\.|ControlSocket \S+ already exists, disabling multiplexing)\r?$"
)


def classify(text: str) -> str:
    """Return the outcome class of a login that failed, from what ``ssh -v`` said.

    :param text: stderr of ssh.
    :return: one of the names in :data:`SIGNS`, or ``other``.
    """
    return next((name for name, pattern in SIGNS if pattern.search(text)), "other")


def accepted_fingerprint(text: str) -> str | None:
    """Return the SHA256 fingerprint of the key that the last server in the chain accepted, or None.

    :param text: stderr of ``ssh -v``; a jump host's lines come before the target's.
    """
    found = ACCEPTED.findall(text)
    return found[-1] if found else None


def offered_host_key(text: str) -> dict[str, str] | None:
    """Return ``{type, fingerprint}`` of the host key that the last server in the chain offered, or None.

    :param text: stderr of ``ssh -v``.
    """
    found = HOST_KEY.findall(text)
    return {"type": found[-1][0], "fingerprint": found[-1][1]} if found else None


def printable(text: str, kept: str = "\n\t") -> str:
    """Return *text* as a terminal may get it: a host's word may not move its cursor, nor set its title.

    :param kept: characters that stay although they do not print.
    """
    return "".join(char if char.isprintable() or char in kept else " " for char in text)


def without_noise(text: str) -> str:
    """Return *text* without the lines that ssh itself adds under ``-v``."""
    return "\n".join(line.rstrip("\r") for line in text.splitlines() if not NOISE.match(line)).strip()


def outcome_of(rc: int, stderr: str, *, sudo: bool) -> str:
    """Return the outcome of an ssh that ran to its end.

    :param rc: exit code of ssh: the command's own, or 255 for ssh's failures.
    :param stderr: its stderr with ``-v``.
    :param sudo: the command was to run through sudo, so that a complaint of sudo is the outcome.
    """
    if rc == 255 and "debug1: Exit status 255" not in stderr:
        return classify(stderr)
    if rc < 0:
        return "no answer"
    if sudo and rc != 0 and re.search(r"^sudo: ", stderr, re.MULTILINE):
        return "sudo failed"
    return "ok"


def makes(password: str, crypt_hash: str) -> bool | None:
    """Return whether *password* makes *crypt_hash*; None where this machine cannot tell.

    :param crypt_hash: SHA-512 (``$6$``) is known everywhere, any other kind where the system's libcrypt knows it: on
        Linux that includes yescrypt.
    """
    if crypt_hash.startswith("$6$"):
        from passlib.hash import sha512_crypt  # here, since every forked worker would pay for it

        with contextlib.suppress(ValueError):
            return bool(sha512_crypt.verify(password, crypt_hash))
        return None
    try:
        crypt = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
    except (OSError, AttributeError):
        return None
    crypt.argtypes, crypt.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
    made = crypt(password.encode(), crypt_hash.encode())
    # An unknown kind answers with nothing, with a text that begins with a star (crypt(3), "failure tokens"), or, in an
    # old libcrypt, with a hash of another kind.
    known = made and made[:3] == crypt_hash.encode()[:3]
    return bool(made == crypt_hash.encode()) if known else None


def _children() -> set[int]:
    """Return the process ids of this worker's children (empty where they cannot be listed)."""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(
            ["pgrep", "-P", str(os.getpid())],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return {int(word) for word in done.stdout.split()}
    return set()


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End the ssh that is started in this block when it still runs after *seconds*.

    ConnectTimeout covers the handshake only; a PAM stack that hangs would hold the login for as long as it likes.
    """
    before = _children()

    def end() -> None:
        for pid in _children() - before:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class ActionModule(ActionBase):
    """The action, and the login method that other action plugins call."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True
    # For other action plugins: plugins cannot import each other.
    printable = staticmethod(printable)
    deadline = staticmethod(_deadline)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run as a task: the outcome is the result; the task fails on any outcome but ``ok`` with exit code 0."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(
            argument_spec={
                "user": {"type": "str"},
                "port": {"type": "int"},
                "command": {"type": "str", "default": "true"},
                "timeout": {"type": "int", "default": 5},
                "become": {"type": "bool", "default": False},
                "host_key_policy": {"type": "str", "choices": ["yes", "accept-new"]},
            }
        )
        reply = self.login(**args)
        result.update(reply, changed=False)
        if reply["outcome"] != "ok" or reply["rc"] != 0:
            result.update(
                failed=True,
                msg=f"fresh login as {args['user'] or 'the same user'}: {reply['outcome']}: {reply['stderr'][-300:]}",
            )
        return result

    @staticmethod
    def one_line(text: str) -> str:
        """Return a host's text for a sentence: printable, on one line, and no longer than a sentence may be."""
        return " ".join(printable(text, "").split())[:LONGEST]

    def refusal(self) -> str | None:
        """Return why no fresh login is possible over this kind of connection, or None."""
        name = getattr(self._connection, "_load_name", None) or getattr(self._connection, "transport", "?")
        if str(name).rpartition(".")[2] == "ssh":
            return None
        return (
            f"a fresh login can only be proved over the ssh connection, and this host uses '{name}': remove "
            "ansible_connection (or -c) for it"
        )

    def login(  # noqa: PLR0917 (callers name them)
        self,
        user: str | None = None,
        port: int | None = None,
        command: str = "true",
        timeout: int = 5,
        become: bool = False,
        host_key_policy: str | None = None,
        *,
        host: str | None = None,
        extra_args: str = "",
        command_timeout: float | None = None,
        share: bool = False,
    ) -> dict[str, Any]:
        """Log in once over a new connection, and run one command.

        :param user: account; None keeps the present connection's.
        :param port: port; None keeps the present connection's.
        :param command: shell command for the login shell (through sudo with *become*).
        :param timeout: seconds for the connection and its handshake.
        :param become: run the command as root by sudo, with the become password of the task when there is one. Ignored
            for root.
        :param host_key_policy: ``yes`` (default: only a pinned key is accepted) or ``accept-new``.
        :param host: another host name than the task's host (a jump host).
        :param extra_args: more ssh arguments, they win over the configured ones.
        :param command_timeout: seconds for the whole of it; by default *timeout* + 20.
        :param share: leave the new connection to the tasks that follow, unless one is held open for them already.
        :return: ``outcome`` (ok | throttled | host key | refused | no answer | denied | account refused | sudo failed |
            closed | other), ``rc``, ``stdout``, ``stderr`` (without ssh's own lines), ``fingerprint`` of the accepted
            key, ``host_key`` {type, fingerprint}, ``retry`` (whether waiting may help). ``ok`` means that the command
            ran: its exit code is in ``rc``. Never raises.
        """
        reply: dict[str, Any] = {
            "outcome": "other",
            "rc": None,
            "stdout": "",
            "stderr": "",
            "fingerprint": None,
            "host_key": None,
            "retry": False,
        }
        refusal = self.refusal()
        if refusal:
            return {**reply, "stderr": refusal}
        raw = ""
        patience = command_timeout or timeout + 20
        try:
            connection = self._fresh(
                user=user,
                port=port,
                timeout=timeout,
                patience=patience,
                policy=host_key_policy or "yes",
                host=host,
                extra_args=extra_args,
                share=share,
            )
            sudo = become and connection.get_option("remote_user") != "root"
            if sudo:
                self._set_become(connection)
                command = connection.become.build_become_command(command, connection._shell)
            with _deadline(patience):
                rc, stdout, stderr = connection.exec_command(command, sudoable=sudo)
            raw = to_text(stderr, errors="replace")
            reply.update(rc=rc, stdout=to_text(stdout, errors="replace"), outcome=outcome_of(rc, raw, sudo=sudo))
        except AnsibleConnectionFailure as error:
            raw = to_text(error)
            reply["rc"] = 255
            reply["outcome"] = outcome_of(255, raw, sudo=False)
        except AnsibleError as error:  # the connection plugin's word for a wrong or missing sudo password
            raw = to_text(error)
            reply["outcome"] = "sudo failed" if re.search(r"(?:Incorrect|Missing) \S+ password", raw) else classify(raw)
        except Exception as error:  # noqa: BLE001 (the caller holds an armed guard: it must always get an answer)
            raw = f"{type(error).__name__}: {to_text(error)}"
        # A jump host's success is no news about the target's.
        reached = reply["outcome"] in {"ok", "sudo failed", "account refused"}
        waited = reply["outcome"] == "no answer"  # for its signature, where a key was accepted
        answered = reached or reply["outcome"] in {"denied", "host key"}
        reply.update(
            stdout=printable(reply["stdout"]),
            stderr=printable(without_noise(raw)),
            fingerprint=accepted_fingerprint(raw) if reached or waited else None,
            host_key=offered_host_key(raw) if answered else None,
            retry=reply["outcome"] in RETRY,
        )
        return reply

    def _fresh(
        self,
        *,
        user: str | None,
        port: int | None,
        timeout: int,
        patience: float,
        policy: str,
        host: str | None,
        extra_args: str,
        share: bool,
    ) -> Any:
        """Return a new connection object with the options of the task's own."""
        old = self._connection
        options = dict(old.get_options())
        new = connection_loader.get(
            old._load_name,
            self._play_context,
            task_uuid=self._task._uuid,
            ansible_playbook_pid=str(os.getppid()),
        )
        # ssh takes the first value that it sees, so these come before the user's own, and beat his -F file too.
        # With "yes" ssh offers its connection to others, and never takes theirs.
        sharing = ["-o ControlMaster=yes"] if share else ["-o ControlMaster=no", "-o ControlPath=none"]
        first = ["-v", *sharing, f"-o ConnectTimeout={timeout}", f"-o StrictHostKeyChecking={policy}"]
        if not options.get("password") and not options.get("private_key_passphrase"):
            first.append("-o BatchMode=yes")
        options["ssh_args"] = " ".join([*first, extra_args, options.get("ssh_args") or ""])
        if extra_args:  # -F is the exception: the last one wins
            options["ssh_extra_args"] = " ".join([options.get("ssh_extra_args") or "", extra_args])
        # Ansible waits no longer for sudo to begin, while somebody looks for a key to touch.
        options.update(timeout=math.ceil(patience), reconnection_retries=0, use_tty=False)
        if user:
            options["remote_user"] = user
        if port:
            options["port"] = int(port)
        if host:
            options["host"] = host
        new.set_options(direct=options)
        return new

    def become_password(self, variables: Mapping[str, Any] | None = None) -> str | None:
        """Return the become password that this task would use (from the host's variables or -K), or None.

        :param variables: those of another host, whose password is asked for instead.
        """
        secret = self._become_plugin(variables).get_option("become_pass")
        secret = secret or getattr(self._play_context, "become_pass", None)
        return to_text(secret) if secret else None

    def sudo_password(self, declared: str) -> str:
        """Return what is known of the sudo password: ``none``, ``given``, or ``wrong`` by its declared hash.

        :param declared: its crypt(3) hash; empty where none is declared.
        """
        password = self.become_password()
        if not password:
            return "none"
        return "wrong" if declared and makes(password, declared) is False else "given"

    def _become_plugin(self, variables: Mapping[str, Any] | None = None) -> Any:
        """Return a new sudo plugin with the options that the host's variables give.

        Only those few variables are templated: one that is undefined elsewhere must not fail a login.
        """
        plugin = become_loader.get("sudo")
        if variables is None:
            variables = self._templar.available_variables if self._templar is not None else {}
        names = C.config.get_plugin_vars("become", "sudo")
        plugin.set_options(
            var_options={name: self._templar.template(variables[name]) for name in names if name in variables}
        )
        return plugin

    def _set_become(self, connection: Any) -> None:
        """Give *connection* a become plugin: root by sudo, with the task's password when there is one."""
        plugin = self._become_plugin()
        plugin.set_option("become_user", "root")
        plugin.set_option("become_pass", self.become_password())
        connection.set_become_plugin(plugin)
