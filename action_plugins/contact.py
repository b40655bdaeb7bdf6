"""contact: find the login that works, know the host by its key, look at it, and remember.

What it keeps, beside the inventory: ``known_hosts/HOST`` (the pinned host keys, to be committed),
``.holdfast/ssh_config`` (every host, for Ansible and for people) and ``.holdfast/logins/HOST.json`` (the last login
that worked).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import shlex
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORTED = {"12": "bookworm", "13": "trixie"}
FIRST_USE = "trusted on first use"
# Seconds to wait out a throttle or a server that closes early: the longest penalty that sshd gives is shorter.
PATIENCE = 45.0
# Seconds by which clocks may differ: more than a slow login takes, less than a certificate or a package list minds.
CLOCK_SECONDS = 300
LOGIN_FAILED = frozenset({"denied", "account refused"})
NO_DOOR = frozenset({"refused", "no answer"})

# Of a login that a host begins, and does not end.
TAKEN = " after the key was taken"

# One command for all that the run must know before Python is known to be there. `S` and `P` come from the caller.
PROBE = r"""
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL
echo probe=holdfast; echo "clock=$(date +%s)"
echo "uid=$(id -u)"; echo "connection=$SSH_CONNECTION"
if [ -r /etc/os-release ]; then . /etc/os-release; echo "os_id=$ID"; echo "os_version=$VERSION_ID"
echo "os_codename=$VERSION_CODENAME"; echo "os_name=$PRETTY_NAME"; fi
[ -x /usr/bin/python3 ] && echo python=yes
[ -e /etc/ssh/sshd_config.d/00-holdfast.conf ] && echo managed=yes
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] &&
! systemd-detect-virt --quiet --container 2>/dev/null; then echo apparmor=yes; fi
if [ -n "$P" ] && command -v dpkg-query >/dev/null; then
dpkg-query -W -f 'package=${Package} ${db:Status-Abbrev}\n' $P 2>/dev/null; fi
{ command -v dockerd || [ -S /run/docker.sock ]; } >/dev/null && echo docker=yes
if [ "$(id -u)" != 0 ]; then if ! command -v sudo >/dev/null; then echo sudo=missing
elif [ "$S" = given ]; then echo sudo=given
elif sudo -n true 2>/dev/null; then echo sudo=free; else echo sudo=asks; fi; fi
exit 0
"""


def is_stuck(reply: dict[str, Any]) -> bool:
    """Tell whether a host took the key and said nothing more."""
    return bool(reply["outcome"] == "no answer" and reply["fingerprint"])


def probe_command(packages: list[str], *, password: bool) -> str:
    """Return the probe as one shell command.

    :param packages: Debian packages whose state is asked for.
    :param password: a sudo password was given, so whether sudo asks for one is not tried (it would be logged).
    """
    head = f"S={'given' if password else ''}; P={shlex.quote(' '.join(packages))}"
    return f"/bin/sh -c {shlex.quote(head + PROBE)}"


def parse_probe(text: str, packages: list[str]) -> dict[str, Any]:
    """Return what the probe found.

    :param text: its output, made printable; lines that a login banner or profile adds are ignored.
    :param packages: the packages that were asked for.
    :return: the part of the contact's result that the host itself told.
    :raises ValueError: the probe did not run.
    """
    _before, mark, text = text.partition("probe=holdfast")
    if not mark:
        raise ValueError("the host did not run the probe")
    found: dict[str, str] = {}
    installed: set[str] = set()
    for line in text.splitlines():
        key, _sign, value = line.strip().partition("=")
        if key == "package":
            name, _space, status = value.partition(" ")
            if status.startswith(("ii", "hi")):
                installed.add(name)
        else:
            found.setdefault(key, value)
    return {
        "uid": int(found.get("uid", "-1")),
        "seconds": int(clock) if re.fullmatch(r"-?[0-9]{1,11}", clock := found.get("clock", "")) else None,
        "source_address": (found.get("connection", "").split() or [""])[0].partition("%")[0],
        "os": {
            "id": found.get("os_id", "unknown"),
            "version": found.get("os_version", ""),
            "codename": found.get("os_codename", ""),
            "name": found.get("os_name", "an unknown system"),
        },
        "python": found.get("python") == "yes",
        "managed": found.get("managed") == "yes",
        "packages_missing": [name for name in packages if name not in installed],
        "apparmor": found.get("apparmor") == "yes",
        "docker": found.get("docker") == "yes",
        "sudo": found.get("sudo", "root"),
    }


def clock_difference(name: str, there: int | None, here: float) -> str:
    """Return one sentence on a host's clock that differs from this machine's, empty where it does not.

    :param there: seconds since the epoch by the host's clock, None where it did not tell.
    :param here: the same by this machine's.
    """
    if there is None or abs(there - here) <= CLOCK_SECONDS:
        return ""
    host, ours = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) for moment in (there, here))
    return (
        f"the clock of {name} says {host} UTC, this machine's {ours} UTC. Package lists, certificates, one-time codes "
        f"and people's end dates are judged by the host's: where it is the wrong one, set it there "
        f"(date -u -s '{ours}') or see that it reaches a time server, and run again."
    )


def fingerprint(key: str) -> str:
    """Return ``SHA256:…`` of a public key ``type base64 …``.

    :raises ValueError: not a public key.
    """
    words = key.split()
    if len(words) < 2:
        raise ValueError(f"not a public key: {key!r}")
    return "SHA256:" + base64.b64encode(
        hashlib.sha256(base64.b64decode(words[1], validate=True)).digest()
    ).decode().rstrip("=")


class Pins:
    """The known_hosts file of one host: its pinned keys, and the declared key that they were taken from.

    A declared key counts when it is new or was changed; afterwards the file is the truth, since weak host keys are
    replaced and the new ones pinned over an authenticated session.
    """

    DECLARED = "# declared: "

    def __init__(self, path: Path, name: str) -> None:
        """:param path: the file. :param name: name of the host, as HostKeyAlias has it."""
        self.path = path
        self.name = name
        self.lines = path.read_text().splitlines() if path.exists() else []

    def fingerprints(self) -> dict[str, str]:
        """Return ``{fingerprint: comment}`` of the pinned keys."""
        found = {}
        for line in self.lines:
            words = line.split(None, 3)
            if len(words) >= 3 and not line.startswith(("#", "@")):
                with contextlib.suppress(ValueError):
                    found[fingerprint(" ".join(words[1:3]))] = words[3] if len(words) > 3 else ""
        return found

    def declare(self, key: str | None) -> None:
        """Pin the key that the inventory declares, unless it was pinned from the same declaration before."""
        if not key:
            return
        wanted = fingerprint(key)
        if f"{self.DECLARED}{wanted}" in self.lines:
            return
        kept = [line for line in self.lines if not line.startswith("#")] if wanted in self.fingerprints() else []
        if not kept:
            kept = [f"{self.name} {' '.join(key.split()[:2])} declared in the inventory"]
        self.lines = [f"{self.DECLARED}{wanted}", *kept]
        write(self.path, "\n".join(self.lines) + "\n", 0o644)

    def annotate(self, today: str) -> None:
        """Mark the keys that ssh has just accepted as trusted on first use."""
        lines: list[str] = []
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            words = line.split()
            marked = f"{line} {FIRST_USE} {today}" if len(words) == 3 and not line.startswith("#") else line
            if marked not in lines:
                lines.append(marked)
        if lines and lines != self.lines:
            write(self.path, "\n".join(lines) + "\n", 0o644)
        self.lines = lines


def write(path: Path, text: str, mode: int) -> bool:
    """Write a file by a rename, only when it changes; return whether it did."""
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between the forks (and between controllers on one machine)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def quote(value: str) -> str:
    """Return a value for ssh_config, in which % starts a token."""
    return '"' + value.replace("%", "%%") + '"'


# What the user's own ssh_config may not turn on: it would lend a host the user's keys, tickets, or a way back to this
# machine for as long as a run's connection is kept. For a tunnel: ssh -o ClearAllForwardings=no -L ...
NOTHING_OF_YOURS = (
    "    ForwardAgent no",
    "    ForwardX11 no",
    "    GSSAPIDelegateCredentials no",
    "    ClearAllForwardings yes",
    "    PermitLocalCommand no",
    "    Tunnel no",
)


def render_ssh_config(hosts: dict[str, Any], logins: dict[str, dict[str, Any]], operator: str, directory: str) -> str:
    """Return the ssh_config for every host.

    :param hosts: the catalogue's hosts.
    :param logins: last known good logins by host: ``{user, port, identity}``.
    :param operator: account of a host without one.
    :param directory: the inventory's directory.
    """
    out = [
        "# Written by holdfast at each contact: every host of this inventory, for Ansible and for you:",
        f"#   ssh -F {shlex.quote(directory + '/.holdfast/ssh_config')} HOST",
    ]
    for name, host in sorted(hosts.items()):
        login = logins.get(name) or {"user": operator, "port": host["ssh"]["port"]}
        out += [
            "",
            f"Host {name}",
            f"    HostName {host['address']}",
            f"    Port {login['port']}",
            f"    User {login['user']}",
            f"    HostKeyAlias {name}",
            f"    UserKnownHostsFile {quote(directory + '/known_hosts/' + name)}",
            "    GlobalKnownHostsFile none",
            "    StrictHostKeyChecking yes",
            *NOTHING_OF_YOURS,
        ]
        if login.get("identity"):
            out.append(f"    IdentityFile {quote(login['identity'])}")
        if host["ssh"].get("jump"):
            out.append(f"    ProxyJump {host['ssh']['jump']}")
    out += ["", "# Your own settings count where nothing above was said.", "Match all", "    Include ~/.ssh/config", ""]
    return "\n".join(out)


def order_candidates(candidates: list[dict[str, Any]], known: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the logins to try: the last known good one first.

    :param candidates: ``[{user, port}]``, the likeliest first.
    :param known: the remembered login; ignored when nobody of *candidates* is its user (another operator's).
    """
    first = []
    if known and known["user"] in {candidate["user"] for candidate in candidates}:
        first = [{"user": known["user"], "port": int(known["port"])}]
    return first + [c for c in ({"user": c["user"], "port": int(c["port"])} for c in candidates) if c not in first]


def default_candidates(host: dict[str, Any], operator: str) -> list[dict[str, Any]]:
    """Return the logins of a jump host: the operator's, then the provider's."""
    ssh = host["ssh"]
    return [
        {"user": operator, "port": ssh["port"]},
        {"user": ssh.get("first_user", "root"), "port": ssh.get("first_port", 22)},
    ]


class ContactError(Exception):
    """The contact failed; the text is for the user."""

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        """:param unreachable: nothing answered, so the host is skipped rather than failed."""
        super().__init__(message)
        self.unreachable = unreachable


class ActionModule(ActionBase):
    """The contact with one host, or with ``record`` the note of a login that was proved elsewhere."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the contact; see the module's documentation."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(
            argument_spec={
                "hosts": {"type": "dict", "required": True},
                "operator": {"type": "str", "required": True},
                "candidates": {"type": "list", "elements": "dict", "default": []},
                "directory": {"type": "path", "required": True},
                "packages": {"type": "list", "elements": "str", "default": []},
                "timeout": {"type": "int", "default": 10},
                "password_hash": {"type": "str", "default": "", "no_log": True},
                "record": {
                    "type": "dict",
                    "options": {"user": {"required": True}, "port": {"type": "int", "required": True}},
                },
            }
        )
        self._hosts: dict[str, Any] = args["hosts"]
        self._operator: str = args["operator"]
        self._directory = Path(args["directory"]).absolute()
        self._timeout: int = args["timeout"]
        self._tries: list[str] = []
        self._first_use: list[str] = []
        self._name: str = variables["inventory_hostname"]
        name = self._name
        try:
            if args["record"]:
                with locked(self._lock(name)):
                    changed = self._remember(name, args["record"])
                return {**result, "changed": changed}
            self._write_config()
            result.update(self._contact(name, args), changed=name in self._first_use)
        except ContactError as error:
            result.update(msg=str(error), **({"unreachable": True} if error.unreachable else {"failed": True}))
        except OSError as error:
            result.update(failed=True, msg=f"the controller could not keep what it learned of {name}: {error}")
        result["tries"] = self._tries
        return result

    def _contact(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Find the login, look at the host, remember it."""
        self._login = self._shared_loader_obj.action_loader.get(
            "fresh_login",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        refusal = self._login.refusal()
        if refusal:
            raise ContactError(refusal)
        jumps = self._jumps(name)
        for jump in jumps:
            if not (self._known(jump) and self._pins(jump).fingerprints()):
                self._reach(jump, default_candidates(self._hosts[jump], self._operator), "true")
        command = probe_command(args["packages"], password=bool(self._login.become_password()))
        candidates = args["candidates"] or default_candidates(self._hosts[name], self._operator)
        try:
            login, reply = self._reach(name, candidates, command)
        except ContactError:
            # Whoever changed the way in to a jump host from elsewhere left us with a stale login for it.
            if not self._jumps_changed(jumps):
                raise
            login, reply = self._reach(name, candidates, command)
        try:
            found = parse_probe(reply["stdout"], args["packages"])
        except ValueError as error:
            raise ContactError(
                self._login.one_line(
                    f"{login['user']}@{name}: {error}: {reply['stdout'][-200:]} {reply['stderr'][-200:]}"
                )
            ) from error
        self._check(name, login, found)
        self._remember(name, login)
        clock = clock_difference(name, found.pop("seconds"), time.time())
        if clock:
            self._display.warning(clock)
        result = {
            **login,
            **found,
            "clock": clock,
            "sudo_password": self._login.sudo_password(args["password_hash"]),
            "key_fingerprint": reply["fingerprint"],
            "host_key": self._trust(name, reply["host_key"]),
        }
        said = {"first use": FIRST_USE, "declared": "as declared", "pinned": "as pinned"}[result["host_key"]["trust"]]
        self._display.display(
            f"  {name}: {login['user']} on port {login['port']}, {found['os']['name']}, "
            f"host key {result['host_key']['fingerprint']} {said}"
        )
        return result

    # --- the login ---------------------------------------------------------------------------------------------------

    def _reach(
        self, name: str, candidates: list[dict[str, Any]], command: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Try the logins of a host in turn; return the one that worked and its reply.

        :raises ContactError: none did. Who is denied on one port is not tried on another: it is the same host with the
            same keys, and each refusal counts against our address. So one at most precedes the login that works.
        """
        with locked(self._lock(name)):
            pins = self._pins(name)
            pins.declare(self._hosts[name]["ssh"].get("host_key"))
            denied: set[str] = set()
            outcomes: list[str] = []
            for login in order_candidates(candidates, self._known(name)):
                if login["user"] in denied:
                    continue
                reply = self._patient(name, login, command, pins)
                outcome = reply["outcome"]
                said = f"{login['user']}@{name} port {login['port']}: {outcome}{TAKEN if is_stuck(reply) else ''}"
                self._tries.append(said)
                if outcome == "ok":
                    if name != self._name:  # the task's own host is remembered once it was looked at
                        self._remember(name, login)
                    return login, reply
                outcomes.append(outcome)
                self._display.display(f"  {said}")
                if outcome == "host key":
                    raise ContactError(self._host_key_error(name, reply))
                if outcome in LOGIN_FAILED:
                    denied.add(login["user"])
                    if not self._is_own_word(name, reply):
                        break  # the jump host said so: trying more logins of the host behind it would only annoy it
                elif outcome not in NO_DOOR:
                    break
            detail = self._login.one_line((reply["stderr"].splitlines() or [""])[-1])
            raise ContactError(self._no_login(name, outcomes, detail), unreachable=not denied)

    def _is_own_word(self, name: str, reply: dict[str, Any]) -> bool:
        """Return whether a refused login got as far as the host itself, past its jump hosts."""
        offered = (reply["host_key"] or {}).get("fingerprint")
        return not self._hosts[name]["ssh"].get("jump") or offered in self._pins(name).fingerprints()

    def _patient(self, name: str, login: dict[str, Any], command: str, pins: Pins) -> dict[str, Any]:
        """Log in once; wait and repeat only while the server turns all away, or takes the key and no more comes."""
        end, pause = time.monotonic() + PATIENCE, 1.0
        while True:
            first = not pins.fingerprints()
            reply: dict[str, Any] = self._login.login(
                user=login["user"],
                port=login["port"],
                command=command,
                timeout=self._timeout,
                host_key_policy="accept-new" if first else "yes",
                host=name,
                extra_args=f"-F {shlex.quote(str(self._config()))}",
                command_timeout=self._timeout + 30,
                # The host's own login is the one that its tasks go on with: a second one would cost as much again.
                share=name == self._name,
            )
            if first and pins.path.exists():
                pins.annotate(today())
                self._first_use.append(name)
                for key in pins.fingerprints():
                    self._display.display(
                        f"  {name}: first contact, host key {key} {FIRST_USE}. Compare it with what your provider "
                        f"shows, or declare host.ssh.host_key. It is pinned in {pins.path}"
                    )
            again = reply["outcome"] in ("throttled", "closed") or is_stuck(reply)
            if not again or time.monotonic() + pause > end:
                return reply
            self._display.display(f"  {name}: {reply['outcome']}, trying again in {pause:.0f} s")
            time.sleep(pause)
            pause = min(pause * 2, 8.0)

    def _jumps(self, name: str) -> list[str]:
        """Return the jump hosts of a host, the outermost first."""
        chain: list[str] = []
        jump = self._hosts[name]["ssh"].get("jump")
        while jump:
            if jump in chain or jump not in self._hosts:
                raise ContactError(f"{name}: the jump host {jump} is not in the inventory, or leads back to itself")
            chain.insert(0, jump)
            jump = self._hosts[jump]["ssh"].get("jump")
        return chain

    def _jumps_changed(self, jumps: list[str]) -> bool:
        """Log in to the jump hosts again; return whether another login than the remembered one works now."""
        changed = False
        for jump in jumps:
            before = self._known(jump)
            login, _reply = self._reach(jump, default_candidates(self._hosts[jump], self._operator), "true")
            changed |= not before or (before["user"], int(before["port"])) != (login["user"], login["port"])
        return changed

    # --- what is refused ---------------------------------------------------------------------------------------------

    def _check(self, name: str, login: dict[str, Any], found: dict[str, Any]) -> None:
        """Refuse what the rest of the run could not work with."""
        system = found["os"]
        if system["id"] != "debian" or system["version"] not in SUPPORTED:
            raise ContactError(
                f"{name} runs {system['name']}. holdfast knows Debian 12 and Debian 13 and would only guess here, "
                "so nothing on the host was touched."
            )
        if found["sudo"] == "missing":
            raise ContactError(
                f"{name}: {login['user']} is not root, and sudo is not installed. Set host.ssh.first_user to the "
                "account that the provider gave root's rights."
            )
        if found["sudo"] == "asks":
            raise ContactError(
                f"{name}: sudo asks {login['user']} for a password, and none was given. "
                "Run again with -K (--ask-become-pass)."
            )
        forwards = self._hosts[name].get("forwards", "none")
        if found["docker"] and forwards != "docker":
            other = "" if forwards == "none" else f"; leave '{forwards}' to a host without Docker, it takes one value"
            raise ContactError(
                f"{name}: Docker is installed, and host.forwards is '{forwards}': the firewall would cut the "
                f"containers off. Set host.forwards to docker in {name}'s host_vars, or remove Docker{other}."
            )

    def _no_login(self, name: str, outcomes: list[str], detail: str) -> str:
        """Return the message for a host that no login opens."""
        tried = "; ".join(self._tries[-len(outcomes) :])
        if TAKEN in tried:
            return (
                f"no login to {name} works: {tried} ({detail}). It took the key and then said nothing. Where your key "
                "waited in vain for a touch or a PIN: ssh can ask nothing during a run, only your agent can. Otherwise "
                "its logins hang (systemd-logind, PAM): look at it over the provider's console."
            )
        if not any(outcome in LOGIN_FAILED for outcome in outcomes):
            return (
                f"{name} could not be reached: {tried} ({detail}). Check host.address and host.ssh, and the provider's "
                "firewall."
            )
        return (
            f"no login to {name} works: {tried} ({detail}). Is your key loaded (ssh-add -l) or named by "
            "ansible_ssh_private_key_file, and host.ssh.first_user the account that the provider gave you? ssh can ask "
            "nothing during a run: a key with a passphrase has to be in an agent, one with a PIN in an agent that asks "
            "for it, and a security key to be touched."
        )

    def _host_key_error(self, name: str, reply: dict[str, Any]) -> str:
        """Return the message for a host key that is not the pinned one."""
        named = re.findall(r"[Hh]ost key (?:for|is known for) (\S+?)\.? (?:has changed|and)", reply["stderr"])
        # A host that refuses a login may say here what it likes, also of others: no trust in those is at stake.
        culprit = next((word for word in named if word in self._jumps(name)), name)
        offered = reply["host_key"] if culprit == name else None
        pins = self._pins(culprit)
        return (
            f"the host key of {culprit} is not the pinned one. Pinned: {', '.join(pins.fingerprints()) or 'none'}. "
            f"Offered: {offered['fingerprint'] if offered else 'unknown'}. Somebody may stand between you and the "
            "host. If it was installed anew, compare the offered fingerprint with the provider's console; then remove "
            f"{pins.path} or declare the new key as host.ssh.host_key, and run again. Nothing was sent to the host."
        )

    # --- what is kept ------------------------------------------------------------------------------------------------

    def _config(self) -> Path:
        return self._directory / ".holdfast" / "ssh_config"

    def _lock(self, name: str) -> Path:
        return self._directory / ".holdfast" / "locks" / name

    def _pins(self, name: str) -> Pins:
        path = self._directory / "known_hosts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return Pins(path, name)

    def _state(self, name: str) -> Path:
        return self._directory / ".holdfast" / "logins" / f"{name}.json"

    def _known(self, name: str) -> dict[str, Any] | None:
        """Return the last known good login, or None."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state(name).read_text())
            return {"user": str(state["user"]), "port": int(state["port"]), "identity": state.get("identity")}
        return None

    def _remember(self, name: str, login: dict[str, Any]) -> bool:
        """Note a login that worked, and name it in ssh_config; return whether it is news."""
        state = {"user": login["user"], "port": int(login["port"])}
        identity = self._connection.get_option("private_key_file")
        if identity:
            state["identity"] = str(Path(identity).expanduser().absolute())
        changed = write(self._state(name), json.dumps(state, sort_keys=True) + "\n", 0o600)
        self._write_config()
        return changed

    def _write_config(self) -> None:
        """Bring ssh_config up to date; one fork at a time, so that the last one sees what all have learned."""
        with locked(self._directory / ".holdfast" / "locks" / "ssh_config"):
            logins = {name: known for name in self._hosts if (known := self._known(name))}
            write(self._config(), render_ssh_config(self._hosts, logins, self._operator, str(self._directory)), 0o600)

    def _trust(self, name: str, offered: dict[str, str] | None) -> dict[str, Any]:
        """Return type, fingerprint and the ground of trust of the host's key."""
        declared = self._hosts[name]["ssh"].get("host_key")
        mark = (offered or {}).get("fingerprint")
        trust = "first use" if name in self._first_use else "pinned"
        if declared and fingerprint(declared) == mark:
            trust = "declared"
        return {"type": (offered or {}).get("type"), "fingerprint": mark, "trust": trust}


def today() -> str:
    """Return the date, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
