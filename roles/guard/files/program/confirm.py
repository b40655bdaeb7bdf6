"""The commit point: the fresh login worked, so the new state stays."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import accounts
import files
import tables
from host import (
    KEPT,
    LAST,
    RUN,
    STATE,
    STORE,
    GuardError,
    abort_unit,
    checkpoint,
    log,
    read_state,
    revert_unit,
    run,
    sync_directory,
    transition,
    unlink,
    write_durably,
)


def last_revert() -> dict[str, Any]:
    """What the last revert said; empty when there was none."""
    try:
        with open(LAST, encoding="utf-8") as handle:
            found: dict[str, Any] = json.loads(handle.read().rstrip("\0 \n") or "{}")
    except FileNotFoundError:
        return {}
    return found


def confirm(ident: str) -> dict[str, Any]:
    """Keep a commit, if it is still the armed one; asked again, since the answer was lost, it says the same."""
    with transition():
        state, undone = read_state(), last_revert()
        # One that a revert has begun to put back is no longer what the fresh login proved.
        if state and state["id"] == ident and undone.get("id") != ident:
            checkpoint("confirming")
            os.rename(STATE, KEPT)  # from here on it stays
            checkpoint("confirmed")
        kept = read_state(KEPT)
        if not kept or kept["id"] != ident:
            raise GuardError(f"nothing to confirm: {undone.get('why', 'no such commit')}")
        if "files" in kept:
            _tidy(kept)
    return {"confirmed": ident}


def _tidy(state: dict[str, Any]) -> None:
    """Forget what a revert would have needed. The commit stays whatever fails here, so that is told in the log only."""
    ident = state["id"]
    try:
        sync_directory(STORE)
        run("systemctl", "stop", f"{revert_unit(ident)}.timer", f"{abort_unit(ident)}.path")
        shutil.rmtree(f"{RUN}/{ident}", ignore_errors=True)
        for path in state["files"]:
            unlink(files.twin_of(path))
        accounts.drop_twins(state["accounts"])
        tables.remember(state["tables"])
        write_durably(KEPT, json.dumps({"id": ident}).encode())  # the rest of it may hold hashes of old passwords
    except (OSError, GuardError) as error:
        log(f"{ident} confirmed, but not all that it no longer needs is gone: {error}")
        return
    log(f"{ident} confirmed")
