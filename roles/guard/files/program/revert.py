"""The way back. Every step looks before it acts and may be repeated; the state file goes last."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Any

import accounts
import files
import sshd
import sysctl
import tables
import units
from host import LAST, RUN, STATE, STORE, abort_unit, checkpoint, log, revert_unit, run, sync_directory, unlink


def put_back(state: dict[str, Any], why: str, *, booting: bool = False) -> list[str]:
    """Restore what was saved. With a problem left, the state stays, so that the next try goes on from here."""
    log(f"{state['id']} reverting: {why}")
    problems = units.forget_new({name: state["units"][name] for name in state["new_units"]}, stop=not booting)
    problems += files.restore(state["files"], state["made"])
    checkpoint("revert-files")
    if state["unit_files"]:
        code, text = run("systemctl", "daemon-reload")
        problems += [f"daemon-reload: {text}"] if code else []
    if not booting:  # after a boot the units that load rules and listen come later and read the restored files
        problems += tables.restore(state["tables"])
        checkpoint("revert-tables")
    problems += units.restore(state["units"])
    if not booting:  # after the tables: it fills their sets
        problems += units.restart(state.get("restart", []))  # an older program may have armed it
    problems += sysctl.write(state["sysctl"])
    if not booting:
        socket = state["units"].get("ssh.socket", {})
        problems += sshd.bring_back(by_socket=socket.get("ActiveState") in units.ACTIVE)
        checkpoint("revert-sshd")
    problems += accounts.restore(state["accounts"])
    checkpoint("revert-accounts")
    _report(state, why, problems)
    if problems:
        log(f"{state['id']} not wholly reverted, trying again: {'; '.join(problems)}")
        return problems
    unlink(STATE)
    sync_directory(STORE)
    shutil.rmtree(f"{RUN}/{state['id']}", ignore_errors=True)
    log(f"{state['id']} reverted")
    if not booting:
        ident = state["id"]
        run("systemctl", "--no-block", "stop", f"{revert_unit(ident)}.timer", f"{abort_unit(ident)}.path")
    return []


def _report(state: dict[str, Any], why: str, problems: list[str]) -> None:
    """Say in a file what happened; its room was taken while arming, so a full disk cannot refuse."""
    text = json.dumps({"id": state["id"], "why": why, "problems": problems}).encode()
    with contextlib.suppress(OSError):
        handle = os.open(LAST, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
