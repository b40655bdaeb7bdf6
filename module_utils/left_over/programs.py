"""Which programs the host's services run: a package that has one of them is needed, whoever brought the unit."""

from __future__ import annotations

import os
import re

from ansible.module_utils.host_text import read
from ansible.module_utils.left_over.way_in import PROC

SERVICE = re.compile(r"/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)(?=[/\n])")


def running() -> set[tuple[str, str]]:
    """Return each service with each program that runs in it; those in containers are their image's."""
    here, found = os.readlink(f"{PROC}/self/ns/pid"), set()
    for pid in [name for name in os.listdir(PROC) if name.isdigit()]:
        try:
            if os.readlink(f"{PROC}/{pid}/ns/pid") == here and (unit := SERVICE.search(read(f"{PROC}/{pid}/cgroup"))):
                found.add((unit[1], os.readlink(f"{PROC}/{pid}/exe").removesuffix(" (deleted)")))
        except OSError:  # it has ended, or is the kernel's
            continue
    return found


def started(exec_start: str) -> set[str]:
    """Return the programs in a unit's ``ExecStart`` as systemd shows it."""
    return set(re.findall(r"\{ path=(/\S+) ;", exec_start))
