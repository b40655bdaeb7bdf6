"""Files of the program's own, and files of services that are brought back or removed."""

from __future__ import annotations

import glob
import json
import os
import stat
from typing import Any

import layout
import systemd_units


def read(path: str) -> dict[str, Any]:
    """Return a JSON file, nothing where it is not there or was cut off."""
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, Any] = json.load(handle)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def write(path: str, data: dict[str, Any]) -> None:
    """Replace a JSON file by a rename."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8") as handle:
        json.dump(data, handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(f"{path}.new", path)


def content(path: str) -> dict[str, Any]:
    """Return what brings a file back, its time too: by that it is told whether a unit is younger than its files."""
    with open(path, encoding="utf-8", newline="") as handle:
        state = os.stat(handle.fileno())
        return {"text": handle.read(), "mode": stat.S_IMODE(state.st_mode), "time": state.st_mtime_ns}


def put(path: str, kept: dict[str, Any]) -> None:
    """Bring a file of root's back as it was kept."""
    if os.path.exists(path) and content(path) == kept:
        return
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8", newline="") as handle:
        handle.write(kept["text"])
        handle.flush()
        os.fchmod(handle.fileno(), kept["mode"])
        os.utime(handle.fileno(), ns=(kept["time"], kept["time"]))
        os.fsync(handle.fileno())
    os.rename(f"{path}.new", path)


def by_name(folder: str) -> dict[str, dict[str, Any]]:
    """Return the JSON files of a folder by their names."""
    return {os.path.basename(path)[:-5]: read(path) for path in sorted(glob.glob(f"{folder}/*.json"))}


def drop(paths: set[str]) -> None:
    """Remove files of a service, some of which may be gone; systemd forgets the units among them."""
    there = {path for path in paths if os.path.lexists(path)}
    for path in there:
        os.unlink(path)
    if any(path.startswith(layout.UNITS) for path in there):
        systemd_units.systemctl("daemon-reload")
