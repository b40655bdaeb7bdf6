"""Asked as root on the host: what packages' scripts may do to what runs, by Debian's own word; nothing is restarted."""

from __future__ import annotations

import os
import shlex
import tempfile
from typing import Any

from verify.remote.tell import lines_of, run

JOB = "apt-daily-upgrade.service"
PUT_OFF = "HOLDFAST_PUT_OFF"
FOLDER = "/run/holdfast/put-off"  # where the window looks
# It runs on every host, and its own package's scripts ask nobody.
RUNS = "systemd-journald"


def restarts() -> dict[str, Any]:
    """Answers of invoke-rc.d (104: yes, 101: no) amid the job that upgrades unattended, and elsewhere.

    What such an answer writes down for the window is written into a folder that goes again.
    """
    job = environment()
    known = job.get(PUT_OFF) in (None, FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        job.update({PUT_OFF: folder} if job.get(PUT_OFF) else {})
        return {
            "amid": {unit: may_restart(unit, job) for unit in (RUNS, "ssh")},
            "put_off": os.listdir(folder) if known else [f"something in {job[PUT_OFF]} only"],
            "elsewhere": {unit: may_restart(unit, {}) for unit in (RUNS, "ssh")},
        }


def environment() -> dict[str, str]:
    """What systemd gives the job."""
    shown = run(["systemctl", "show", "-p", "Environment,UnsetEnvironment", JOB])[1]
    words = {name: shlex.split(value) for name, _, value in (line.partition("=") for line in lines_of(shown))}
    given = dict(word.split("=", 1) for word in words.get("Environment", []) if "=" in word)
    return {name: value for name, value in given.items() if name not in words.get("UnsetEnvironment", [])}


def may_restart(unit: str, job: dict[str, str]) -> int:
    """What Debian's own helper would do."""
    given = [f"{name}={value}" for name, value in job.items()]
    return run(["env", *given, "invoke-rc.d", "--quiet", "--query", unit, "restart"])[0]
