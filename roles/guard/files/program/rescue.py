"""The way back without Python: a script made for each commit, run when the guard's program itself cannot start."""

from __future__ import annotations

import json
import shlex
from typing import Any

import accounts
import files
import sysctl
import units
from host import LAST, RESCUE, STATE, TABLES, abort_unit, revert_unit, write_durably


def script(state: dict[str, Any]) -> str:
    """POSIX shell that restores files, rules, units, kernel settings and accounts of one commit."""
    lines = ["#!/bin/sh", "# Puts back one unconfirmed commit when the guard itself cannot run."]
    lines += ["back() {", '    if [ -e "$1" ] || [ -L "$1" ]; then mv -fT "$1" "$2"; fi', "}"]
    for path, how in state["files"].items():
        if how == "twin":
            lines.append(f"back {shlex.quote(files.twin_of(path))} {shlex.quote(path)}")
        else:
            lines.append(f"rm -f {shlex.quote(path)}")
    for name in state["accounts"]:
        lines.append(f"back {files.twin_of(accounts.path_of(name))} {accounts.path_of(name)}")
        lines.append(f"rm -f /etc/.{name}{files.ROOM}")
    by_socket = state["units"].get("ssh.socket", {}).get("ActiveState") in units.ACTIVE
    if by_socket:  # it may not start beside its service, which systemd may lose when a unit state changes
        lines.append("systemctl stop ssh.service")
    lines += ["systemctl daemon-reload", f"nft -f {TABLES}" if state["tables"] else ":"]
    for name, old in state["units"].items():
        lines.append(f"systemctl --quiet {'mask' if old['LoadState'] == 'masked' else 'unmask'} {name}")
        if old["LoadState"] != "masked":
            enabled = old["UnitFileState"] in ("enabled", "alias")
            lines.append(f"systemctl --quiet {'enable' if enabled else 'disable'} {name}")
            active = old["ActiveState"] in units.ACTIVE
            lines.append(f"systemctl --quiet --no-block {'start' if active else 'stop'} {name}")
    for key, value in state["sysctl"].items():
        lines.append(f"echo {shlex.quote(value)} > {shlex.quote(sysctl.path_of(key))}")
    why = "Python does not run on the host: the shell put the commit back"
    reason = json.dumps({"id": state["id"], "why": why, "problems": []})
    if by_socket:
        lines += ["systemctl reset-failed ssh.socket", "systemctl start ssh.socket"]
    else:
        lines += ["systemctl reset-failed ssh.service", "systemctl reload-or-restart ssh.service"]
    lines += [
        f"echo {shlex.quote(reason)} > {LAST}",
        "logger -t holdfast-guard 'reverted by the shell: Python does not run on this host'",
        f"rm -f {STATE}",
        f"systemctl --no-block stop {revert_unit(state['id'])}.timer {abort_unit(state['id'])}.path",
    ]
    return "\n".join(lines) + "\n"


def write(state: dict[str, Any]) -> None:
    """Keep the script beside the state."""
    write_durably(RESCUE, script(state).encode(), 0o700)
