"""Hosts of a lab with a kernel of their own: QEMU, with KVM where that really works, else with an emulated processor.

A virtual machine has a card on the public network of its lab, with an address of its own, so that everything that
reaches a container reaches it as well, the lab's outsider among them. It ends with the process that started it.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lab import vm_image
from lab.machine import Machine
from lab.progress import LabError, progress
from lab.qemu import Agent, Monitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.hosts import Lab

QEMU = "qemu-system-x86_64"
MEMORY = "768"  # MiB
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
# The public network's containers have the addresses from 10 to 249, its outsider has 250.
NUMBERS = range(251, 255)
# mitigations=off saves an emulated processor a fifth of its work.
KERNEL = "console=ttyS0 quiet net.ifnames=0 mitigations=off panic=-1"


@functools.cache
def accelerator(image: vm_image.Image) -> list[str]:
    """Return QEMU's options for the fastest processor that runs this kernel. /dev/kvm alone proves nothing."""
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        # The kernel, then one program of the initrd; a kernel whose first program has ended says so.
        kvm = ["-accel", "kvm", "-cpu", "host"]
        trial = [
            QEMU, *kvm, "-m", "256", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", str(image.kernel), "-initrd", str(image.initrd),
            "-append", f"{KERNEL} rdinit=/bin/true",
        ]  # fmt: skip
        try:
            done = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
        except subprocess.TimeoutExpired:
            pass
        else:
            if b"Attempted to kill init" in done.stdout:
                return kvm
    progress.say("KVM does not run a kernel here: the processor is emulated, ten times slower")
    return ["-accel", "tcg", "-cpu", "max"]


@dataclass
class VirtualHost(Machine):
    """One virtual machine. ``folder`` has its disk and the log of its serial console."""

    image: vm_image.Image
    folder: Path
    _agent: Agent = field(init=False, repr=False)
    _monitor: Monitor = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] = field(init=False, repr=False)

    boot_seconds: ClassVar[float] = 300

    # --- power ----------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start QEMU on the machine's disk."""
        disk = self.folder / "disk.qcow2"
        mac = "02:42:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        self._agent, self._monitor = Agent(), Monitor()
        card = _card(self.lab.bridge())
        inherited = (card, self._agent.theirs.fileno(), self._monitor.theirs.fileno())
        command = [
            "nice", "setpriv", "--pdeathsig", "KILL", QEMU,
            "-name", self.name, "-machine", "pc", *accelerator(self.image), "-smp", "1", "-m", MEMORY,
            "-nodefaults", "-no-user-config", "-display", "none", "-rtc", "base=utc,clock=host",
            "-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd),
            "-append", f"root=/dev/vda rw {KERNEL}",
            # What the guest has flushed is in this machine's memory, which outlives QEMU.
            "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe,discard=unmap",
            "-netdev", f"tap,id=net,fd={card}", "-device", f"virtio-net-pci,netdev=net,mac={mac},romfile=",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,fd={inherited[1]}",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-chardev", f"socket,id=monitor,fd={inherited[2]}", "-mon", "chardev=monitor,mode=control",
            "-serial", f"file:{self.folder / 'console.log'}",
        ]  # fmt: skip
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherited
            )
        os.close(card)
        self._agent.theirs.close()
        self._monitor.theirs.close()
        try:
            self._monitor.greet()
        except (OSError, EOFError, LabError) as error:
            raise LabError(f"{self.name}: QEMU did not start ({error})\n{self.last_words()}") from error

    def power_off(self) -> None:
        """Cut the power."""
        self._process.kill()
        self._process.wait()
        self._agent.close()
        self._monitor.close()

    def stop(self) -> None:
        """As every host's: power off, and the disk is gone."""
        self.power_off()
        shutil.rmtree(self.folder)

    def restart(self, *, hard: bool = False, wait: bool = True) -> None:
        """As every host's: QEMU is killed and started, or the guest reboots by itself."""
        if hard:
            self.power_off()
            self.power_on()
            if wait:
                self.wait()
            return
        try:
            # It answers nothing, since it goes down itself.
            self._agent.send("guest-shutdown", {"mode": "reboot"})
        except OSError as error:
            raise LabError(f"{self.name}: QEMU has ended\n{self.last_words()}") from error
        self.wait_reboot(wait=wait)

    def wait_reboot(self, *, wait: bool = True) -> None:
        """Wait until the guest goes down to reboot, whoever asked it to, and (``wait``) until it is back."""
        try:
            self._monitor.wait_for("RESET", self.boot_seconds)
        except (TimeoutError, EOFError, OSError) as error:
            raise LabError(f"{self.name} did not go down to reboot\n{self.last_words()}") from error
        if wait:
            self.wait()

    def running(self) -> bool:
        """Tell whether QEMU runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return the ends of the serial console and of what QEMU said."""
        texts = [(self.folder / name).read_text(errors="replace") for name in ("console.log", "qemu.log")]
        return "\n".join(line for text in texts for line in text.splitlines()[-5:])

    # --- inside ---------------------------------------------------------------------------------------------------

    def exec(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 180, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As every host's: by the agent in the guest, on a serial port that no firewall guards."""
        try:
            done = self._agent.run(argv, timeout=timeout, stdin=stdin)
        except TimeoutError as error:
            command = " ".join(argv)[:80]
            raise LabError(
                f"{self.name}: `{command}` did not finish within {timeout:g} s\n{self.last_words()}"
            ) from error
        except (EOFError, OSError) as error:
            raise LabError(f"{self.name}: QEMU has ended\n{self.last_words()}") from error
        if check and done.returncode:
            raise LabError(f"{self.name}: `{' '.join(argv)}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def wait_agent(self) -> None:
        """Wait until the agent answers: the system is up, the network may not be. Raises LabError."""
        try:
            self._agent.find(time.monotonic() + self.boot_seconds)
        except (TimeoutError, EOFError, OSError) as error:
            raise LabError(f"{self.name}: no agent answers\n{self.last_words()}") from error

    def wait(self, *, port: int = 22, seconds: float | None = None) -> None:
        """As every host's; the agent comes first, since without it nobody could ask."""
        self.wait_agent()
        super().wait(port=port, seconds=seconds)

    def plant(self, keys: Sequence[str]) -> None:
        """Give the booted machine its name, its addresses and root's keys, as a provider does."""
        v4, v6 = self.lab.network()
        lines = ["[Match]", "Name=eth0", "[Network]", "LinkLocalAddressing=ipv6", "IPv6AcceptRA=no"]
        lines += [f"Address={self.address}/{v4.prefixlen}", f"Gateway={v4[1]}"]
        lines += [f"Address={self.address6}/{v6.prefixlen}", f"Gateway={v6[1]}"] if v6 else []
        for path, mode, text in (
            ("/etc/systemd/network/10-provider.network", "0644", "\n".join(lines)),
            ("/etc/hostname", "0644", self.name),
            ("/etc/hosts", "0644", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost"),
            ("/etc/resolv.conf", "0644", _resolvers()),
            ("/root/.ssh/authorized_keys", "0600", "\n".join(keys)),
        ):
            self.exec(["install", "-D", "-m", mode, "/dev/stdin", path], stdin=f"{text}\n".encode())
        self.exec(["chmod", "0700", "/root/.ssh"])
        self.exec(["hostname", self.name])
        self.exec(["systemctl", "restart", "systemd-networkd"])

    # --- snapshots ------------------------------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Keep the whole running machine, memory and disk, under a name. Seconds."""
        self._monitor.human(f"savevm {name}")

    def load(self, name: str) -> None:
        """Go back to a kept machine, with the time that it is now. Seconds, and no boot."""
        if not self.running():
            self.power_on()
        self._monitor.human(f"loadvm {name}")
        self.wait_agent()
        self.exec(["date", "--set", f"@{time.time():.3f}"])


def start(lab: Lab, name: str, release: str = "trixie") -> VirtualHost:
    """Start a bare virtual machine in a lab and wait until it is reachable over SSH. Raises LabError.

    It is the caller's to stop; with this process it ends in any case.
    """
    image = vm_image.bare(release)
    v4, v6 = lab.network()
    number, folder = _place(lab)
    address = str(v4[number])
    host = VirtualHost(name, release, address, str(v6[number]) if v6 else "", lab, {"public": address}, image, folder)
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.disk)]
    subprocess.run([*create, str(folder / "disk.qcow2")], check=True, capture_output=True, timeout=60)
    host.power_on()
    try:
        host.wait_agent()
        host.plant([lab.key.with_suffix(".pub").read_text(encoding="utf-8").strip()])
        host.wait()
    except LabError:
        host.stop()
        raise
    return host


def _place(lab: Lab) -> tuple[int, Path]:
    """Return a free number on the lab's network, and the folder that makes it taken."""
    for number in NUMBERS:
        folder = lab.directory.absolute() / f"vm-{number}"
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return number, folder
    raise LabError(f"lab {lab.name} has room for {len(NUMBERS)} virtual machines")


def _card(bridge: str) -> int:
    """Return a new network card on the bridge, which vanishes when the last who holds it ends."""
    card = os.open("/dev/net/tun", os.O_RDWR)
    made = fcntl.ioctl(card, TUNSETIFF, struct.pack("16sH22x", b"holdfast%d", IFF_TAP | IFF_NO_PI))
    name = made[:16].rstrip(b"\0").decode()
    done = subprocess.run(
        ["ip", "link", "set", name, "master", bridge, "up"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        os.close(card)
        raise LabError(f"cannot put a network card on {bridge}: {done.stderr.strip()}")
    return card


def _resolvers() -> str:
    """Return this machine's name servers; those that only it can reach stand behind a file of systemd's."""
    for path in map(Path, ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        usable = [line for line in lines if line.startswith("nameserver") and " 127." not in line]
        if usable:
            return "\n".join(usable)
    return ""
