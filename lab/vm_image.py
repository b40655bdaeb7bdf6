"""Images of virtual machines: the bare Debian of lab.bootstrap with Debian's own kernel, on a disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import bootstrap
from lab.cache import cache_dir, locked
from lab.packages import need
from lab.progress import LabError

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
PACKAGES = (*bootstrap.PACKAGES, "linux-image-cloud-amd64", "udev", "qemu-guest-agent")
DISK = "4G"

# A provider's machine has a network service that waits for the firewall, which containers lack. apt's own timers would
# fight a test for the one processor and for apt's lock. The small initrd holds what the disk needs, and no more.
MACHINE = """\
systemctl enable systemd-networkd.service >/dev/null 2>&1
systemctl disable apt-daily.timer apt-daily-upgrade.timer >/dev/null 2>&1
printf 'LABEL=root / ext4 defaults,errors=remount-ro 0 1\\n' > /etc/fstab
printf 'MODULES=list\\nCOMPRESS=zstd\\n' > /etc/initramfs-tools/conf.d/lab
printf 'virtio_pci\\nvirtio_blk\\next4\\n' >> /etc/initramfs-tools/modules
update-initramfs -u
"""
FINISH = bootstrap.BEGIN + MACHINE + bootstrap.END


@dataclass(frozen=True)
class Image:
    """A disk in qcow2 format, and the kernel and initrd that boot it."""

    disk: Path
    kernel: Path
    initrd: Path


def recipe_hash(release: str) -> str:
    """Return 12 hex digits that change whenever the image of that release would be built differently."""
    return hashlib.sha256("\n".join((release, *PACKAGES, DISK, FINISH)).encode()).hexdigest()[:12]


def bare(release: str) -> Image:
    """Return the image of "bookworm" or "trixie", built when it is not in the cache (one to two minutes).

    Raises LabError with what is missing on this machine.
    """
    if os.uname().machine != "x86_64" or os.geteuid() != 0:
        raise LabError("virtual machines of the lab need root on an x86-64 machine")
    need("a virtual machine", TOOLS)
    folder = cache_dir() / f"vm-{release}-{recipe_hash(release)}"
    with locked(f"vm-{release}"):
        if not folder.exists():
            for old in cache_dir().glob(f"vm-{release}-*/"):
                shutil.rmtree(old)
            _build(release, folder)
    return Image(folder / "disk.qcow2", folder / "vmlinuz", folder / "initrd")


def _build(release: str, folder: Path) -> None:
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    root, raw = partial / f"vm-{release}", partial / "disk.raw"
    try:
        bootstrap.from_mirror(release, root, packages=PACKAGES, finish=FINISH, form="directory")
        for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            (found,) = (root / "boot").glob(pattern)
            shutil.copy(found, partial / name)
        for command in (
            ["truncate", "--size", DISK, str(raw)],
            # Initialised now: the kernel would do it in the background, against every test.
            ["mkfs.ext4", "-q", "-F", "-L", "root", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0",
             "-d", str(root), str(raw)],
            ["qemu-img", "convert", "-O", "qcow2", str(raw), str(partial / "disk.qcow2")],
        ):  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                raise LabError(f"`{' '.join(command[:2])} …` failed: {done.stderr.strip()}")
        raw.unlink()
        shutil.rmtree(root)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
