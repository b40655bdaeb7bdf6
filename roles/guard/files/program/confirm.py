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
    """Keep a commit, if it is still the armed one."""
    with transition():
        state = read_state()
        if not state or state["id"] != ident:
            raise GuardError(f"nothing to confirm: {last_revert().get('why', 'no such commit')}")
        checkpoint("confirming")
        os.unlink(STATE)  # from here on it stays
        sync_directory(STORE)
        checkpoint("confirmed")
        tables.remember(state["tables"])
        for path in state["files"]:
            unlink(files.twin_of(path))
        accounts.drop_twins(state["accounts"])
        run("systemctl", "stop", f"{revert_unit(ident)}.timer", f"{abort_unit(ident)}.path")
        shutil.rmtree(f"{RUN}/{ident}", ignore_errors=True)
        log(f"{ident} confirmed")
    return {"confirmed": ident}
