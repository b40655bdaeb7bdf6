"""Hosts of a lab: containers with systemd on one network, reached over SSH as a VPS is."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import re
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images
from lab.engine import LABEL, Engine, detect
from lab.machine import Machine
from lab.progress import LabError, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAMILIES = (4, 6)


@dataclass
class LabHost(Machine):
    """One running container."""

    container: str
    engine: Engine

    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As every host's: by the engine."""
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
        self.engine.remove(self.container)
        self.lab.hosts.pop(self.name, None)

    def restart(self, *, hard: bool = False, wait: bool = True) -> None:
        """As every host's: the container is stopped, or killed, and started."""
        if hard:
            self.engine.run("kill", "--signal", "KILL", self.container)
            if self.engine.kind == "podman":
                # It takes the network namespace of a killed container down later, and a start before that keeps it.
                self.engine.run("wait", self.container)
                self.engine.run("container", "cleanup", self.container)
        else:
            self.engine.run("stop", "--time", "20", self.container, timeout=60)
        self.engine.run("start", self.container)
        if wait:
            self.wait()

    def commit(self, tag: str) -> str:
        """Keep the host's disk as an image and return its name, to be given to ``Lab.start(image=…)``.

        Takes 2-4 s. The image goes with the lab. /run is not in it.
        """
        image = f"localhost/holdfast/snapshot:{tag}"
        self.engine.run("commit", "--change", f'LABEL {LABEL}="{self.lab.name}"', self.container, image, timeout=180)
        return image

    def running(self) -> bool:
        """Tell whether the container runs."""
        done = self.engine.run("inspect", "--format", "{{.State.Running}}", self.container, check=False)
        return done.stdout.strip() == "true"

    def last_words(self) -> str:
        """Return the last lines of the console and of the journal."""
        log = self.engine.run("logs", "--tail", "5", self.container, check=False)
        journal = self.exec(["journalctl", "-n", "5", "--no-pager", "-p", "warning"], check=False)
        return log.stdout + log.stderr + journal.stdout


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

    def bridge(self) -> str:
        """Return the name of the public network's bridge on this machine. Raises LabError unless docker made it."""
        self.network()
        if self.engine.kind != "docker":
            raise LabError("virtual machines of the lab need docker's networks: HOLDFAST_ENGINE=docker")
        found = self.engine.inspect("network", self.network_name()) or {}
        return f"br-{found['Id'][:12]}"

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
            # docker switches IPv6 on for its bridge or says no; podman would fail when the first host starts.
            dual = ["--ipv6", "--subnet", v6] if self.engine.kind == "docker" or _new_links_have_ipv6() else []
            done = self.engine.run(*base, *dual, full, check=False)
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
        result = LabHost(host, release, *_public(*public, families), self, inner, container, self.engine)
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
            self.engine.remove(container, check=False)
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
        result = LabHost(host, labels["holdfast.release"], *public, self, networks, found["Id"], self.engine)
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
            self.engine.remove(name)
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
        engine.remove(*containers)
    for network in engine.run("network", "ls", *chosen).stdout.split():
        done = engine.run("network", "rm", network, check=False)
        if done.returncode and engine.inspect("network", network):
            raise LabError(f"cannot remove the network {network}: {done.stderr.strip()}")
    for image in set(engine.run("images", *chosen).stdout.split()):
        engine.run("rmi", "--force", image, check=False)


def make_key(path: Path, comment: str) -> Path:
    """Make an ed25519 key pair without a passphrase at ``path`` unless it is there; return the private one's path."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return path.absolute()


def _new_links_have_ipv6(switch: Path = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")) -> bool:
    """Tell whether this machine's kernel gives IPv6 to a link that is made now."""
    return switch.exists() and switch.read_text(encoding="ascii").strip() == "0"


def _public(v4: str, v6: str, families: Sequence[int]) -> tuple[str, str]:
    """Return ``address`` and ``address6`` of a host that has only those families. Raises LabError when it has none."""
    v6 = v6 if 6 in families else ""
    address = v4 if 4 in families else v6
    if not address:
        raise LabError(f"no address of the families {list(families)}: this machine's engine has no IPv6")
    return address, v6


def _init(families: Sequence[int]) -> list[str]:
    """Return what a host boots: systemd, before which the addresses of a family that it shall not have are removed.

    On a machine of its own systemd shares its mounts with what it starts. In a container it leaves that to the engine,
    which does not, and the credentials of services would reach nobody. What an engine mounts as the file with the name
    of the host could not be replaced.
    """
    gone = [family for family in FAMILIES if family not in families]
    flush = "".join(f"ip -{family} address flush dev eth0; " for family in gone)
    name = "if mountpoint -q /etc/hostname; then umount /etc/hostname; hostname > /etc/hostname; fi"
    mode = "chmod 644 /etc/hostname"  # the file that an engine mounts upon is executable
    return ["sh", "-c", f"{flush}{name}; {mode}; mount --make-rshared / && exec /sbin/init"]


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
