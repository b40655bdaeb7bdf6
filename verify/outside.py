"""The view from outside: logins, ports and algorithms as a stranger on the network sees them."""

from __future__ import annotations

import base64
import io
import ipaddress
import json
import socket
import subprocess
import threading
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from verify.outcome import not_applicable
from verify.pace import CEILING, NO_LOGIN, REFUSED_LOGIN, Pace
from verify.remote_call import RemoteError, from_outside

if TYPE_CHECKING:
    from verify.expected import Expected

SCAN_SECONDS: Final = 150
SOFT_INTERFACES: Final = ("lo", "docker", "br-", "veth", "wg", "virbr", "tun", "tap")


@dataclass(frozen=True)
class Attempt:
    """What the host answered to one login."""

    family: int
    entered: bool
    methods: list[str]
    text: str
    rc: int


@dataclass
class Outside:
    """One host seen through the outsider's command prefix, or from here when it is empty."""

    expected: Expected
    prefix: str
    ssh_config: str
    keys: Path | None
    inside: Any = None
    """Callable that gives the inside facts; the outside view needs the host's own addresses."""
    _paces: dict[int, Pace] = field(default_factory=dict)
    _stranger: str = ""
    _logins: dict[tuple[str, str], list[Attempt]] = field(default_factory=dict)
    _scan: Future[dict[int, dict[str, Any]]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def ssh(self) -> dict[str, str]:
        """What ssh_config says about the host (ssh -G)."""
        out = subprocess.run(
            ["ssh", "-F", self.ssh_config, "-G", self.expected.name], capture_output=True, text=True, check=True
        ).stdout
        return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)

    @cached_property
    def alias(self) -> str:
        """Name under which the host key is pinned."""
        return self.ssh.get("hostkeyalias", self.expected.name)

    @cached_property
    def pins(self) -> list[str]:
        """Pinned host key lines, renamed to the alias alone so that they serve for every address of the host."""
        found = []
        for name in self.ssh.get("userknownhostsfile", "").split():
            path = Path(name).expanduser()
            if not path.is_file():
                continue
            done = subprocess.run(
                ["ssh-keygen", "-F", self.alias, "-f", str(path)], capture_output=True, text=True, check=False
            )
            for line in done.stdout.splitlines():
                words = line.split()
                if not line.startswith("#") and len(words) >= 3:
                    start = 1 if words[0].startswith("@") else 0
                    found.append(" ".join([*words[:start], self.alias, *words[start + 1 : start + 3]]))
        return found

    @cached_property
    def addresses(self) -> dict[int, str]:
        """The host's address in each family that it has: {4: …, 6: …}."""
        declared = str(self.expected.host.get("address") or self.ssh.get("hostname") or self.expected.name)
        found: dict[int, str] = {}
        try:
            ip = ipaddress.ip_address(declared)
            found[ip.version] = declared
        except ValueError:
            for info in socket.getaddrinfo(declared, self.expected.port, type=socket.SOCK_STREAM):
                found.setdefault(4 if info[0] == socket.AF_INET else 6, str(info[4][0]))
        others = [one for one in self._public_cards() if ipaddress.ip_address(one).version not in found]
        # A public address comes first. Where one is known, a private one of the other family is for the way out only.
        others.sort(key=lambda one: not ipaddress.ip_address(one).is_global)
        known = any(ipaddress.ip_address(one).is_global for one in found.values())
        for one in others:
            if ipaddress.ip_address(one).is_global or not known:
                found.setdefault(ipaddress.ip_address(one).version, one)
        return found

    def _public_cards(self) -> list[str]:
        """Lasting addresses of the host's cards that are not declared as inner ones."""
        return [
            str(one.get("local"))
            for interface in self.inside()["addresses"]
            if not str(interface.get("ifname", "")).startswith(SOFT_INTERFACES)
            and interface.get("ifname") not in self.expected.inner_interfaces
            for one in interface.get("addr_info") or []
            if one.get("scope") == "global" and not one.get("temporary") and not one.get("deprecated")
        ]

    def families(self) -> list[int]:
        """Address families to try; ends the check as not applicable when only a jump host leads there."""
        if self.expected.jump and not self.prefix:
            not_applicable(f"only the jump host {self.expected.jump} leads there, and no outsider was given")
        return sorted(self.addresses)

    def stranger_key(self) -> str:
        """A fresh private key that nobody ever declared."""
        with self._lock:
            if not self._stranger:
                from cryptography.hazmat.primitives import serialization
                from cryptography.hazmat.primitives.asymmetric import ed25519

                self._stranger = (
                    ed25519.Ed25519PrivateKey.generate()
                    .private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.OpenSSH,
                        serialization.NoEncryption(),
                    )
                    .decode()
                )
            return self._stranger

    def key_of(self, name: str) -> str | None:
        """Private key of a declared person, which only the lab has."""
        path = self.keys / name if self.keys else None
        return path.read_text(encoding="utf-8") if path and path.is_file() else None

    def login(self, user: str, key: str) -> list[Attempt]:
        """Try to log in, in each address family at once, spaced so that the host does not shut this address out.

        The same login is tried once only. A password prompt gets an answer that is nobody's password.
        """
        if (user, key) not in self._logins:
            families = self.families()
            with ThreadPoolExecutor(2) as pool:
                self._logins[user, key] = list(pool.map(lambda family: self._login(family, user, key), families))
        return self._logins[user, key]

    def _login(self, family: int, user: str, key: str) -> Attempt:
        self.pace(family).before(REFUSED_LOGIN)
        answer = from_outside(
            self.prefix,
            "ssh_try",
            {
                "address": self.addresses[family],
                "port": self.expected.port,
                "user": user,
                "alias": self.alias,
                "known_hosts": "\n".join(self.pins) + "\n",
                "key": key,
            },
        )
        return Attempt(family, answer["entered"], answer["methods"], answer["text"], answer["rc"])

    def pace(self, family: int) -> Pace:
        """Penalties of one address family."""
        with self._lock:
            return self._paces.setdefault(family, Pace())

    def start_scan(self, pool: ThreadPoolExecutor) -> None:
        """Begin the port scan in the background: it waits for silence most of its time."""
        if self._scan is None:
            self._scan = pool.submit(self._run_scan)

    def scan(self) -> dict[int, dict[str, Any]]:
        """Ports that answer in each family: {4: {found: {port: how}, source, error, took}}."""
        self.families()
        if self._scan is None:
            future: Future[dict[int, dict[str, Any]]] = Future()
            future.set_result(self._run_scan())
            self._scan = future
        return self._scan.result()

    def _run_scan(self) -> dict[int, dict[str, Any]]:
        if self.expected.jump and not self.prefix:
            return {}
        listening = {one["port"] for one in self.inside()["listeners"] if one["proto"] == "tcp"}
        declared = {one.port for one in self.expected.listens if one.proto == "tcp"}
        answer = from_outside(
            self.prefix,
            "tcp_scan",
            {
                "addresses": list(self.addresses.values()),
                "again": sorted(listening | declared),
            },
            SCAN_SECONDS,
        )
        for family in self.addresses:
            # The scan touches the SSH port like everything else: a connection that does not log in.
            self.pace(family).before(NO_LOGIN)
        return {family: answer[address] for family, address in self.addresses.items()}

    def probe_udp(self, ports: list[int]) -> dict[int, dict[str, Any]]:
        """UDP ports that answer in each family: {4: {found, source, error}}."""
        families = self.families()
        answer = from_outside(
            self.prefix, "udp_probe", {"addresses": [self.addresses[one] for one in families], "ports": ports}
        )
        return {family: answer[self.addresses[family]] for family in families}

    def audit(self, policy: str, *, rate_test: bool = False) -> dict[str, Any]:
        """Run ssh-audit once in the first family and judge by a policy too: {out, passed, errors, connections}.

        Raises:
            RemoteError: the tool does not run there.
        """
        family = self.families()[0]
        pace = self.pace(family)
        free = max(0, int(CEILING - pace.outstanding()))
        pace.before(free * NO_LOGIN)
        skip = [] if rate_test else ["--skip-rate-test"]
        answer: dict[str, Any] = from_outside(
            self.prefix,
            "ssh_audit_run",
            {
                "tool": tool(),
                "policy": policy,
                "free": free,
                "arguments": [
                    "-j",
                    *skip,
                    f"-{family}",
                    "-p",
                    str(self.expected.port),
                    "-t",
                    "8",
                    self.addresses[family],
                ],
            },
        )
        # One that came after the free ones was paid for by its second of waiting.
        pace.before(NO_LOGIN)
        return answer

    def flood(self, count: int, wanted: list[str]) -> dict[str, Any]:
        """Knock up to `count` times at the SSH port, until each of these ways not to be heard was met.

        Returns what verify/remote/flood.py does. In the last family, so that a scan of the first one, which the host
        may still resent, does not matter.
        """
        family = self.families()[-1]
        where = {"address": self.addresses[family], "port": self.expected.port}
        answer: dict[str, Any] = from_outside(self.prefix, "flood", {**where, "count": count, "wanted": wanted})
        return answer


def tool() -> str:
    """ssh-audit as a runnable zip archive in base64: pure Python, so any Python runs it.

    Raises:
        RemoteError: it is not installed beside this suite.
    """
    try:
        import ssh_audit  # type: ignore[import-untyped]
    except ImportError as error:
        text = "ssh-audit is not installed: pip install ssh-audit, or use the project's environment"
        raise RemoteError(text) from error
    folder = Path(str(ssh_audit.__file__)).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*.py")):
            archive.write(path, f"ssh_audit/{path.name}")
        archive.writestr("__main__.py", "import sys\nfrom ssh_audit.ssh_audit import main\nsys.exit(main())\n")
    return base64.b64encode(buffer.getvalue()).decode()


QUANTUM: Final = "does not provide protection against post-quantum attacks"
RATE: Final = "insufficient connection throttling"
"""What its rate test says, of a host that has a key exchange with Diffie-Hellman; it tries no other."""


def objections(audit: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Failures and warnings in a default scan of ssh-audit; a scan that saw nothing is a failure too.

    Its own hardened policy for Debian 12 demands key exchanges that its default scan warns of since they do not
    resist quantum computers. Both cannot be had: those warnings are remarks.

    Returns:
        What it objects to, and remarks.
    """
    try:
        data = json.loads(audit["out"][audit["out"].index("{") :])
    except ValueError:
        return [f"no result: {audit['text'] or audit['out'][-300:]}"], []
    found, remarks = [], []
    for kind in ("kex", "key", "enc", "mac"):
        entries = data.get(kind) or []
        if not entries:
            found.append(f"it saw no {kind}: {audit['out'][-200:]}")
        for entry in entries:
            notes, name = entry.get("notes") or {}, entry["algorithm"]
            for level, text in [("fail", one) for one in notes.get("fail") or []] + [
                ("warn", one) for one in notes.get("warn") or []
            ]:
                if kind == "kex" and text == QUANTUM and name in audit["policy_kex"]:
                    remarks.append(f"{name} {text}; ssh-audit's policy for this release asks for it all the same")
                else:
                    found.append(f"{name}: {level}: {text}")
    found += [note for note in data.get("additional_notes") or [] if RATE in note]
    return found + [f"known flaw: {one.get('name') or one}" for one in data.get("cves") or []], remarks


def unmet(audit: dict[str, Any]) -> list[str]:
    """What keeps a host from meeting ssh-audit's policy; leaving out what its default scan warns of does not."""
    problems = []
    for one in audit["errors"]:
        wanted, actual = list(one.get("expected_required") or []), list(one.get("actual") or [])
        missing = [name for name in wanted if name not in actual]
        weak = all("sntrup" not in name and "mlkem" not in name and "strict" not in name for name in missing)
        in_order = [name for name in wanted if name in actual] == actual
        if "exchange" in str(one.get("mismatched_field")).lower() and weak and in_order:
            continue
        problems.append(f"{one.get('mismatched_field')}: found {', '.join(actual)}, wanted {', '.join(wanted)}")
    if audit["passed"] is None:
        problems.append(f"no verdict: {audit['text'] or audit['out'][-300:]}")
    return problems
