"""Whether only a reboot brings what was installed into force."""

from __future__ import annotations

import glob
import os
import time

from commands import run

MARK = "/run/reboot-required"


def reasons() -> list[str]:
    """Why the host needs a reboot; empty when it does not."""
    found = []
    if os.path.exists(MARK):
        found.append(f"asked for by {', '.join(packages()) or 'a package'}")
    if run("systemd-detect-virt", "--quiet", "--container")[0] and (kernels := newer_kernels()):
        found.append(f"installed after the start: {', '.join(kernels)}")
    return found


def packages() -> list[str]:
    """Packages that asked for it."""
    try:
        with open(f"{MARK}.pkgs", encoding="utf-8") as handle:
            return sorted(set(handle.read().split()))
    except FileNotFoundError:
        return []


def newer_kernels() -> list[str]:
    """Kernels that came to the disk after this start, under a new name or under the running one's."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return sorted(os.path.basename(path) for path in glob.glob("/boot/vmlinuz-*") if os.stat(path).st_ctime > booted)
