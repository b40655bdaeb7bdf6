"""Debian packages that this machine lacks for a part of the lab."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cache import locked
from lab.progress import LabError, progress

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_debian(path: Path = Path("/etc/os-release")) -> bool:
    """Tell whether this machine is Debian itself (its mirrors serve the suites that the lab needs)."""
    return path.exists() and re.search(r'(?m)^ID="?debian"?$', path.read_text(encoding="utf-8")) is not None


def on_path(command: str) -> bool:
    """Tell whether the command is there, for root or in the folders that only root has in its PATH."""
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def install(*names: str) -> None:
    """Install packages with apt-get, as root on Debian; elsewhere do nothing. A failure shows in what is missing."""
    if os.geteuid() != 0 or not is_debian():
        return
    progress.say(f"installing {', '.join(names)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    with locked("apt"):
        for command in (["update"], ["install", "-y", "--no-install-recommends", *names]):
            try:
                subprocess.run([*apt, *command], env=env, capture_output=True, check=False, timeout=600)
            except subprocess.TimeoutExpired as error:
                raise LabError(f"`apt-get {command[0]}` did not end within 10 minutes: run it by hand") from error


def need(what: str, commands: Mapping[str, str]) -> None:
    """Make sure that each command is there; ``commands`` maps it to its Debian package. Raises LabError."""
    if missing := [package for command, package in commands.items() if not on_path(command)]:
        install(*missing)
    if missing := [package for command, package in commands.items() if not on_path(command)]:
        raise LabError(f"{what} needs {', '.join(missing)}; install with: sudo apt-get install {' '.join(missing)}")
