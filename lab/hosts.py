"""Hosts of a lab: containers with systemd on one network, reached over SSH as a VPS is."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import re
import shutil
import socket
import subprocess
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images
from lab.engine import LABEL, Engine, detect
from lab.progress import LabError, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOOT_SECONDS = 60
KEEP_LABEL = "holdfast.keep"
FAMILIES = (4, 6)


@dataclass
class LabHost:
    """One running host.

    ``address`` is where it is reached: its public IPv4 address, or its IPv6 one where it has no other. ``address6`` is
    empty without IPv6. ``networks`` has its IPv4 address on each of its networks.
    """

    name: str
    release: str
    container: str
    address: str
    address6: str
    engine: Engine
    lab: Lab = field(repr=False)
    networks: dict[str, str] = field(default_factory=dict)

    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, past SSH: for planting and looking, not for the runs.

        ``timeout`` in seconds. Raises LabError on a non-zero exit while ``check`` is true.
        """
        return self.engine.run(
            "exec",
            *(["-i"] if stdin is not None else []),
            self.container,
            *argv,
            check=check,
            timeout=timeout,
            stdin=stdin,
        )

    @property
    def console(self) -> list[str]:
        """The argument list of a command on the host's own terminal (the provider's console), for tests on a pty."""
        return [*self.engine.command, "exec", "-it", self.container]

    def stop(self) -> None:
        """Delete the host."""
        self.engine.run("rm", "--force", "--volumes", self.container, timeout=60)
        self.lab.hosts.pop(self.name, None)

    def restart(self, *, hard: bool = False, wait: bool = True) -> None:
        """Boot the host again; ``hard`` cuts the power. Addresses stay, /run and /tmp do not."""
        if hard:
            self.engine.run("kill", "--signal", "KILL", self.container)
        else:
            self.engine.run("stop", "--time", "20", self.container, timeout=60)
        self.engine.run("start", self.container)
        if wait:
            self.wait()

    def cut(self) -> None:
        """Pull the host's network cable: the link of the public network goes down."""
        self.exec(["ip", "link", "set", "eth0", "down"])

    def plug(self) -> None:
        """Plug the cable in again. The kernel forgot routes and IPv6 address with the link: set them anew."""
        v4, v6 = self.lab.network()
        steps = ["ip link set eth0 up"]
        if self.address != self.address6:
            steps.append(f"ip route replace default via {v4[1]} dev eth0")
        if v6 and self.address6:
            steps.append(f"ip -6 addr replace {self.address6}/{v6.prefixlen} dev eth0 nodad")
            steps.append(f"ip -6 route replace default via {v6[1]} dev eth0")
        self.exec(["sh", "-ec", "\n".join(steps)])

    def commit(self, tag: str, *, keep: bool = False) -> str:
        """Keep the host's disk as an image and return its name, to be given to ``Lab.start(image=…)``.

        Takes 2-4 s. The image goes with the lab, unless ``keep`` is true. /run is not in it.
        """
        image = f"localhost/holdfast/snapshot:{tag}"
        label = KEEP_LABEL if keep else LABEL
        self.engine.run("commit", "--change", f'LABEL {label}="{self.lab.name}"', self.container, image, timeout=180)
        return image

    def wait(self, *, port: int = 22, seconds: float = BOOT_SECONDS) -> None:
        """Wait until sshd answers with its banner and systemd has booted. Raises LabError after ``seconds``."""
        self.wait_port(port, seconds=seconds)
        deadline = time.monotonic() + seconds
        state = ""
        while time.monotonic() < deadline:
            state = self.exec(["systemctl", "is-system-running"], check=False).stdout.strip()
            if state in {"running", "degraded"}:
                return
            time.sleep(0.1)
        raise LabError(f"{self.name} did not finish booting within {seconds:g} s (systemd says {state or 'nothing'})")

    def wait_port(self, port: int, *, seconds: float = BOOT_SECONDS) -> None:
        """Wait until something that speaks SSH listens there. Raises LabError with the host's last log lines."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (
                self.engine.run("inspect", "--format", "{{.State.Running}}", self.container, check=False).stdout.strip()
                == "false"
            ):
                break
            with suppress(OSError), socket.create_connection((self.address, port), timeout=2) as connection:
                connection.settimeout(2)
                if connection.recv(16).startswith(b"SSH-"):
                    return
            time.sleep(0.1)
        log = self.engine.run("logs", "--tail", "5", self.container, check=False)
        journal = self.exec(["journalctl", "-n", "5", "--no-pager", "-p", "warning"], check=False)
        raise LabError(
            f"{self.name}: no SSH on {self.address} port {port} after {seconds:g} s\n"
            f"{log.stdout}{log.stderr}{journal.stdout}"
        )


class Lab:
    """A named set of hosts on one IPv4 and IPv6 network. Everything it makes carries the label ``holdfast.lab=NAME``.

    ``directory`` keeps the operator's key between runs (default: .holdfast/lab/NAME).
    """

    def __init__(self, name: str, *, directory: Path | None = None, engine: Engine | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"lab name {name!r}: use lower-case letters, digits and dashes, at most 31")
        self.name = name
        self.engine = engine or detect()
        self.directory = directory or Path(".holdfast/lab") / name
        self.hosts: dict[str, LabHost] = {}
        self._nets: dict[str, tuple[ipaddress.IPv4Network, ipaddress.IPv6Network | None]] = {}

    def __enter__(self) -> Lab:
        """Return the lab; leaving the block takes it down."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the lab down."""
        self.down()

    # --- keys -----------------------------------------------------------------------------------------------------

    @property
    def key(self) -> Path:
        """The operator's private key (ed25519), made at first use."""
        return make_key(self.directory / "keys" / "oper", "oper@lab")

    # --- networks -------------------------------------------------------------------------------------------------

    def network_name(self, name: str = "public") -> str:
        """Return the engine's name of a network of this lab. Docker numbers interfaces by that name: public is eth0."""
        return f"holdfast-{self.name}-{0 if name == 'public' else 1}-{name}"

    def network(self, name: str = "public") -> tuple[ipaddress.IPv4Network, ipaddress.IPv6Network | None]:
        """Return a network's ranges, made when it is not there. The second is None where IPv6 is not possible."""
        if name in self._nets:
            return self._nets[name]
        full = self.network_name(name)
        found = self.engine.inspect("network", full)
        if found is None:
            self._create_network(full)
            found = self.engine.inspect("network", full) or {}
        if self.engine.kind == "docker":
            subnets = [entry["Subnet"] for entry in found.get("IPAM", {}).get("Config", [])]
        else:
            subnets = [entry["subnet"] for entry in found.get("subnets", [])] or re.findall(
                r'"subnet": "([^"]+)"', str(found).replace("'", '"')
            )
        ranges = [ipaddress.ip_network(subnet) for subnet in subnets]
        v4 = next(net for net in ranges if isinstance(net, ipaddress.IPv4Network))
        v6 = next((net for net in ranges if isinstance(net, ipaddress.IPv6Network)), None)
        self._nets[name] = (v4, v6)
        return v4, v6

    def _create_network(self, full: str) -> None:
        digest = hashlib.sha256(full.encode()).digest()
        error = ""
        for attempt in range(24):
            # 10.200-10.247: far from what engines and home routers choose; a clash is tried again elsewhere.
            v4 = f"10.{200 + (digest[0] + attempt) % 48}.{digest[1]}.0/24"
            if _routed(ipaddress.IPv4Network(v4)):
                continue
            group = (int.from_bytes(digest[2:4]) + attempt) & 0xFFFF
            v6 = f"fd{digest[4]:02x}:{digest[5]:02x}{digest[6]:02x}:{digest[7]:02x}{digest[8]:02x}:{group:x}::/64"
            base = ["network", "create", "--label", f"{LABEL}={self.name}", "--subnet", v4]
            done = self.engine.run(*base, "--ipv6", "--subnet", v6, full, check=False)
            if done.returncode == 0:
                return
            error = done.stderr.strip()
            if re.search(r"ipv6", error, re.IGNORECASE) and not re.search("overlap|already used|conflict", error):
                progress.say(f"no IPv6 here: {error}")
                if self.engine.run(*base, full, check=False).returncode == 0:
                    return
        raise LabError(f"cannot make the network {full}: {error}")

    def address_options(self, address: str, address6: str) -> list[str]:
        """Options that give a container fixed addresses.

        The MAC follows from the IPv4 address, as docker does by itself: after a restart nobody has to wait for ARP.
        """
        mac = "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        fixed = ["--mac-address", mac] if self.engine.kind == "podman" else []
        return ["--ip", address, *(["--ip6", address6] if address6 else []), *fixed]

    def _free(self, network: str) -> tuple[str, str]:
        v4, v6 = self.network(network)
        taken = self._taken(network)
        for number in range(10, 250):
            address = str(v4[number])
            if address not in taken:
                return address, str(v6[number]) if v6 else ""
        raise LabError(f"no free address left in lab {self.name}")

    def _taken(self, network: str) -> set[str]:
        containers = self.engine.run("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.name}").stdout.split()
        if not containers:
            return set()
        done = self.engine.run(
            "inspect", "--format", '{{index .Config.Labels "holdfast.addresses"}}', *containers, check=False
        )
        return {
            address for word in done.stdout.split() for name, _, address in [word.partition("=")] if name == network
        }

    # --- hosts ----------------------------------------------------------------------------------------------------

    def start(
        self,
        host: str,
        release: str = "trixie",
        *,
        image: str | None = None,
        networks: Sequence[str] = (),
        authorized_keys: Iterable[str] | None = None,
        wait: bool = True,
        families: Sequence[int] = FAMILIES,
        options: Sequence[str] = (),
    ) -> LabHost:
        """Start a host and wait until it is reachable over SSH.

        ``image``: a snapshot of ``LabHost.commit`` instead of the bare image; host keys stay as they were pinned, the
        machine id is made afresh. ``networks``: private networks besides the public one (eth1, eth2 … by name).
        ``authorized_keys``: public keys that the provider plants for root (default: the operator's; none upon a
        snapshot). ``families``: ``(4,)`` or ``(6,)`` for a host that has the other one nowhere but on loopback and
        private networks, at every boot. ``options``: more options of ``docker create``. Raises LabError.
        """
        base = image or images.bare(release, self.engine)
        label = [
            "--label",
            f"{LABEL}={self.name}",
            "--label",
            f"holdfast.host={host}",
            "--label",
            f"holdfast.release={release}",
            "--label",
            f"holdfast.families={' '.join(map(str, families))}",
        ]
        for attempt in range(5):
            addresses = {name: self._free(name) for name in ("public", *sorted(networks))}
            public = addresses["public"]
            listed = " ".join(f"{name}={v4}" for name, (v4, _) in addresses.items())
            name = f"holdfast-{self.name}-{host}"
            done = self.engine.run(
                "create", "--name", name, "--hostname", host, *label, "--label", f"holdfast.addresses={listed}",
                "--network", self.network_name(), *self.address_options(*public),
                *self.engine.host_options(), *options, base, *_init(families),
                check=False, timeout=120,
            )  # fmt: skip
            if done.returncode == 0:
                break
            if attempt == 4 or "ddress" not in done.stderr:
                raise LabError(f"cannot create {host}: {done.stderr.strip()}")
        container = done.stdout.split()[-1]
        inner = {network: v4 for network, (v4, _) in addresses.items()}
        result = LabHost(host, release, container, *_public(*public, families), self.engine, self, inner)
        try:
            for network in sorted(networks):
                self.engine.run(
                    "network",
                    "connect",
                    *self.address_options(*addresses[network]),
                    self.network_name(network),
                    container,
                )
            if authorized_keys is None:
                authorized_keys = [] if image else [self.key.with_suffix(".pub").read_text(encoding="utf-8").strip()]
            self._plant(container, list(authorized_keys))
            self.engine.run("start", container, timeout=60)
            if wait:
                result.wait()
        except LabError:
            self.engine.run("rm", "--force", container, check=False)
            raise
        self.hosts[host] = result
        return result

    def _plant(self, container: str, keys: list[str]) -> None:
        """Put root's keys and an empty machine id into a host that has not booted yet, as a provider does."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:

            def add(name: str, mode: int, content: bytes | None) -> None:
                info = tarfile.TarInfo(name)
                info.mode, info.uid, info.gid, info.mtime = mode, 0, 0, int(time.time())
                if content is None:
                    info.type = tarfile.DIRTYPE
                    archive.addfile(info)
                else:
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))

            # Empty, not absent: systemd makes a new one without taking the boot for a first one.
            add("etc/machine-id", 0o444, b"")
            if keys:
                add("root/.ssh", 0o700, None)
                add("root/.ssh/authorized_keys", 0o600, ("\n".join(keys) + "\n").encode())
        self.engine.run("cp", "-", f"{container}:/", stdin=buffer.getvalue())

    def find(self, host: str) -> LabHost | None:
        """Return a host of this lab that an earlier process started and that still runs, or None."""
        if host in self.hosts:
            return self.hosts[host]
        found = self.engine.inspect("container", f"holdfast-{self.name}-{host}")
        if not found or not found["State"]["Running"]:
            return None
        labels = found["Config"]["Labels"]
        networks = dict(word.split("=", 1) for word in labels["holdfast.addresses"].split())
        v4, v6 = self.network()
        number = int(ipaddress.IPv4Address(networks["public"])) - int(v4.network_address)
        families = [int(word) for word in labels["holdfast.families"].split()]
        public = _public(networks["public"], str(v6[number]) if v6 else "", families)
        result = LabHost(host, labels["holdfast.release"], found["Id"], *public, self.engine, self, networks)
        self.hosts[host] = result
        return result

    def outsider(self, release: str = "trixie") -> list[str]:
        """Return a command prefix that runs its arguments as a stranger on the public network.

        The stranger has a network namespace of its own with IPv4 and IPv6, python3 and ssh. It reads standard input,
        so ``[*lab.outsider(), "python3", "-"]`` runs a program that is piped to it.
        """
        name = f"holdfast-{self.name}-outsider"
        found = self.engine.inspect("container", name)
        if found and not found["State"]["Running"]:
            self.engine.run("rm", "--force", name)
            found = None
        if not found:
            v4, v6 = self.network()
            image = images.bare(release, self.engine)
            self.engine.run(
                "run", "--detach", "--name", name, "--hostname", "outsider",
                "--label", f"{LABEL}={self.name}", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW",
                "--network", self.network_name(),
                *self.address_options(str(v4[250]), str(v6[250]) if v6 else ""), image,
                # A shell collects what is left of ended commands; `sleep` alone would not.
                "sh", "-c", "while :; do sleep 3600 & wait; done",
            )  # fmt: skip
        return [*self.engine.command, "exec", "-i", name]

    def down(self) -> None:
        """Delete all containers, networks and unkept snapshots of this lab, and forget its keys."""
        down(self.name, self.engine)
        self.hosts.clear()
        self._nets.clear()
        shutil.rmtree(self.directory, ignore_errors=True)


def down(name: str, engine: Engine) -> None:
    """Delete everything that carries the label of lab ``name``."""
    chosen = ["--quiet", "--filter", f"label={LABEL}={name}"]
    if containers := engine.run("ps", "--all", *chosen).stdout.split():
        engine.run("rm", "--force", "--volumes", *containers, timeout=120)
    for network in engine.run("network", "ls", *chosen).stdout.split():
        engine.run("network", "rm", network, check=False)
    for image in set(engine.run("images", *chosen).stdout.split()):
        engine.run("rmi", "--force", image, check=False)


def make_key(path: Path, comment: str) -> Path:
    """Make an ed25519 key pair without a passphrase at ``path`` unless it is there; return the private one's path."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return path.absolute()


def _public(v4: str, v6: str, families: Sequence[int]) -> tuple[str, str]:
    """Return ``address`` and ``address6`` of a host that has only those families. Raises LabError when it has none."""
    v6 = v6 if 6 in families else ""
    address = v4 if 4 in families else v6
    if not address:
        raise LabError(f"no address of the families {list(families)}: this machine's engine has no IPv6")
    return address, v6


def _init(families: Sequence[int]) -> list[str]:
    """Return what a host boots: systemd, before which the addresses of a family that it shall not have are removed."""
    gone = [family for family in FAMILIES if family not in families]
    flush = "".join(f"ip -{family} address flush dev eth0; " for family in gone)
    return ["sh", "-c", f"{flush}exec /sbin/init"] if gone else ["/sbin/init"]


def _routed(network: ipaddress.IPv4Network) -> bool:
    """Tell whether this machine already has a route into that range."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    for line in lines:
        fields = line.split()
        address = ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(fields[1]), "little"))
        mask = ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(fields[7]), "little"))
        if int(mask) and network.overlaps(ipaddress.IPv4Network(f"{address}/{mask}")):
            return True
    return False
