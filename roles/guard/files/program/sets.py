"""Files and units that guard no door: one set for each concern, put in place at once or not at all.

There is no timer and no fresh login. What makes it whole after a kill: the new files lie ready before the first rename,
what has to follow is written down before it too, and the manifest of what was put in place comes last.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
from typing import Any

import diff
import files
import seal
import sysctl
import units
from host import (
    UNIT_DIRECTORIES,
    GuardError,
    checkpoint,
    held_by,
    log,
    must,
    read_state,
    run,
    sync_directory,
    this_start,
    transition,
    unlink,
    write_durably,
)
from rehearse import refusal

HANDLER_SECONDS = 600


class Difference:
    """Everything in which the host differs from one set."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Look at the host; nothing is touched."""
        self.order = order
        declared = {entry["path"] for entry in order["files"]}
        placed = [path for path in seal.load(seal.manifest(order["concern"])).get("files", []) if path not in declared]
        self.entries = _differing(order["files"])
        # A link was never placed: a package has laid it there since, as an upgrade does with /etc/default/locale.
        gone = {path for path in placed if os.path.isfile(path) and not os.path.islink(path)} | set(
            files.undeclared(order["prune"], order["files"])
        )
        self.removed = sorted(gone)
        self.left_over = seal.load(seal.pending(order["concern"]))
        self.let_go = self._dropped()
        self.handlers = [handler for handler in order["handlers"] if self._concerns(handler)]
        self.steps, self.units_before = units.plan(order["units"])
        self.heard: list[str] = []  # what the handlers said when they ran

    def __bool__(self) -> bool:
        """Whether anything differs, or is left to be done from a run that was killed."""
        return bool(self.paths or self.handlers or self.steps or self.left_over)

    @property
    def paths(self) -> list[str]:
        """Files that change or go."""
        return [entry["path"] for entry in self.entries] + self.removed

    @property
    def unit_files(self) -> bool:
        """Whether systemd has to read its units anew."""
        return bool(self.left_over.get("unit_files")) or any(path.startswith(UNIT_DIRECTORIES) for path in self.paths)

    def _dropped(self) -> dict[str, list[str]]:
        """Kernel settings, by file, that are declared no more; those of a killed run are in no file that differs.

        Unless the host was started since: the files as they lie did that, and nobody knows the settings any more.
        """
        left = self.left_over.get("let_go", {}) if self.left_over.get("start") == this_start() else {}
        found = {path: set(keys) for path, keys in left.items()}
        for entry in self.entries:
            if os.path.dirname(entry["path"]) in sysctl.FOLDERS and entry["old"] is not None:
                found.setdefault(entry["path"], set()).update(sysctl.dropped(entry["old"], entry["bytes"]))
        return {path: sorted(keys) for path, keys in sorted(found.items()) if keys}

    def _concerns(self, handler: dict[str, Any]) -> bool:
        changed = [*self.paths, *self.left_over.get("paths", [])]
        return any(fnmatch.fnmatchcase(path, pattern) for path in changed for pattern in handler["paths"])

    def says(self) -> list[str]:
        """The difference in words."""
        said = diff.says({"key_directory": "", "tables": {}}, self.entries, self.removed)
        said += [f"run {' '.join(handler['argv'])}" for handler in self.handlers]
        said += [f"{verb} {name}" for verb, name in self.steps]
        return said or ["finish what a run that was ended began"]


def _differing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that differ. An owner who comes with the same set is not there yet: then its file differs."""
    found = []
    for entry in entries:
        try:
            found += files.differing([entry])
        except GuardError:
            found.append(entry)
    return found


def apply(order: dict[str, Any]) -> dict[str, Any]:
    """Bring one set into place; the answer says what was done, or would be in check mode."""
    os.umask(0o077)
    state = read_state()
    if state and not order["check_mode"]:
        raise GuardError(held_by(state))
    change = Difference(order)
    absent = [path for path in order["look_for"] if not os.path.lexists(path)]
    answer: dict[str, Any] = {"changed": bool(change), "absent": absent}
    if not change:
        if not order["check_mode"]:
            seal.keep(order)
        return {**answer, "intact": seal.intact()}
    answer["would" if order["check_mode"] else "did"] = change.says()
    if order["diff"]:
        answer["diff"] = diff.texts(change.entries, change.removed)
    refused = refusal(change.entries, change.removed, order["validate"])
    if refused:
        raise GuardError(f"nothing was changed, the rehearsal failed: {refused}")
    if order["check_mode"]:
        return answer
    with transition():
        if state := read_state():
            raise GuardError(held_by(state))
        _carry_out(change)
    answer["did"] += change.heard
    log(f"{order['concern']} by {order['who']}: {'; '.join(answer['did'])}")
    return answer


def _carry_out(change: Difference) -> None:
    concern = change.order["concern"]
    os.makedirs(seal.STORE, mode=0o700, exist_ok=True)
    # Also where a run that was killed left its twins.
    directories = {os.path.dirname(path) for path in [*change.paths, *change.left_over.get("paths", [])]}
    files.sweep({directory for directory in directories if os.path.isdir(directory)})
    made: list[str] = []
    saved: dict[str, str] = {}
    try:
        for entry in change.entries:
            made += files.make_parent(entry["path"])
            files.write_fresh(files.fresh_of(entry["path"]), entry["bytes"], *files.owner_of(entry), entry["mode"])
        for path in change.paths:
            saved[path] = files.save_twin(path)
        paths = sorted({*change.paths, *change.left_over.get("paths", [])})
        to_do = {"paths": paths, "unit_files": change.unit_files, "let_go": change.let_go, "start": this_start()}
        write_durably(seal.pending(concern), json.dumps(to_do).encode())
        checkpoint("set-staged")
    except (OSError, GuardError) as error:
        files.restore(saved, made)
        files.sweep({directory for directory in directories if os.path.isdir(directory)})
        if not change.left_over:
            unlink(seal.pending(concern))
        raise GuardError(f"nothing was changed: {error}") from error
    try:
        _swap(change)
    except (OSError, GuardError) as error:
        problems = _put_back(change, saved, made)
        rest = f" except {'; '.join(problems)}" if problems else ""
        raise GuardError(f"{error}; everything was put back{rest}") from error
    for path in saved:
        unlink(files.twin_of(path))
    for directory in {os.path.dirname(path) for path in saved} - {""}:
        if os.path.isdir(directory):
            sync_directory(directory)
    seal.keep(change.order)
    unlink(seal.pending(concern))


def _swap(change: Difference) -> None:
    for number, entry in enumerate(change.entries):
        if number == len(change.entries) // 2:
            checkpoint("set-swapping")
        os.rename(files.fresh_of(entry["path"]), entry["path"])
    for path in change.removed:
        unlink(path)
    checkpoint("set-swapped")
    if change.unit_files:
        must("systemctl", "daemon-reload")
    for handler in change.handlers:
        code, text = run(*handler["argv"], seconds=HANDLER_SECONDS)
        if code:
            raise GuardError(f"{' '.join(handler['argv'])}: exit code {code}: {text}")
        change.heard += text.splitlines()
    for path, keys in change.let_go.items():
        change.heard += sysctl.let_go(path, keys)
    checkpoint("set-handled")
    units.apply(change.steps)
    checkpoint("set-units")


def _put_back(change: Difference, saved: dict[str, str], made: list[str]) -> list[str]:
    """Undo a set that did not go through. Its handlers run again, on the old files, as far as they can."""
    new = {name: old for name, old in change.units_before.items() if old["LoadState"] == "not-found"}
    problems = units.forget_new(new, stop=True)
    problems += files.restore(saved, made)
    if change.unit_files:
        code, text = run("systemctl", "daemon-reload")
        problems += [f"daemon-reload: {text}"] if code else []
    for handler in change.handlers:
        run(*handler["argv"], seconds=HANDLER_SECONDS)  # one of them is what failed: it was told of already
    problems += units.restore(change.units_before)
    if not problems and not change.left_over:  # of which a run that was killed has still to do
        with contextlib.suppress(OSError):
            unlink(seal.pending(change.order["concern"]))
    return problems
