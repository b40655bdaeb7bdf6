"""Which sets still lie as they were put in place: told once for all of them, so that no call is needed for each.

The manifest of a set keeps what it consists of, contents as hashes, under the digest of the order that it came from.
"""

from __future__ import annotations

import glob
import json
import os
from typing import Any

import files
import places
import units
from host import GuardError, write_durably

STORE = "/var/lib/holdfast/sets"


def manifest(concern: str) -> str:
    """Where a set's manifest lies."""
    return f"{STORE}/{concern}.json"


def pending(concern: str) -> str:
    """Where it says what a set's change that was begun has still to do."""
    return f"{STORE}/{concern}.pending.json"


def load(path: str) -> dict[str, Any]:
    """Return a file of our own, or nothing where it is not there or was cut off by a power loss."""
    try:
        with open(path, encoding="utf-8") as handle:
            found: dict[str, Any] = json.load(handle)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def keep(order: dict[str, Any]) -> None:
    """Write a set's manifest: after its change, or where the order that asks for the same is another one."""
    entries = [
        {key: entry[key] for key in ("path", "owner", "group", "mode")} | {"sha256": files.digest(entry["bytes"])}
        for entry in order["files"]
    ]
    path = manifest(order["concern"])
    kept = {
        "files": sorted(entry["path"] for entry in entries),
        "digest": order["digest"],
        "sealed": {"files": entries, **{key: order[key] for key in ("prune", "units", "look_for")}},
    }
    if load(path) != kept:
        os.makedirs(STORE, mode=0o700, exist_ok=True)
        write_durably(path, json.dumps(kept).encode())


def intact() -> dict[str, dict[str, Any]]:
    """Of each set that lies as it was put, the digest of its order and what it looks for and is not there."""
    found = {}
    for path in sorted(glob.glob(f"{STORE}/*.json")):
        concern = os.path.basename(path)[: -len(".json")]
        kept = load(path)
        if "sealed" in kept and not os.path.exists(pending(concern)) and _lies(kept["sealed"]):
            found[concern] = kept
    wanted = [unit for kept in found.values() for unit in kept["sealed"]["units"]]
    moved = {step[-1] for step in units.plan(wanted)[0]}
    return {
        concern: {
            "digest": kept["digest"],
            "absent": [place for place in kept["sealed"]["look_for"] if not os.path.lexists(place)],
        }
        for concern, kept in found.items()
        if not moved & {unit["name"] for unit in kept["sealed"]["units"]}
    }


def _lies(sealed: dict[str, Any]) -> bool:
    if files.undeclared(sealed["prune"], sealed["files"]):
        return False
    return all(_same(entry) for entry in sealed["files"])


def _same(entry: dict[str, Any]) -> bool:
    data = files.read(entry["path"])
    if data is None or files.digest(data) != entry["sha256"] or places.strayed(entry["path"], data):
        return False
    try:
        return files.is_owned(entry)
    except GuardError:  # the account is gone
        return False
