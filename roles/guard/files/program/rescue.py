"""The way back without Python: a script made for each commit, run when the guard's program itself cannot start."""

from __future__ import annotations

import json
import shlex
from typing import Any

import accounts
import files
import sysctl
import units
from host import LAST, LOG, RESCUE, STATE, TABLES, abort_unit, revert_unit, write_durably

WHY = "Python does not run on the host: the shell put the commit back"
HEAD = f"""#!/bin/sh
# Puts back one unconfirmed commit when the guard itself cannot run. At boot it is given the word boot: then the units
# that load rules and listen come later, and waiting for one that waits for this one would never end.
[ -e {STATE} ] || exit 0 # confirmed or reverted meanwhile
failed=
try() {{
    "$@" || failed="$failed; $*"
}}
same() {{
    [ "$(stat -c %d:%i "$1")" = "$(stat -c %d:%i "$2" 2> /dev/null)" ]
}}
back() {{
    [ -e "$1" ] || [ -L "$1" ] || return 0 # an earlier try did it
    if same "$1" "$2"; then try rm -f "$1"; else try mv -fT "$1" "$2"; fi # not swapped yet: mv refuses those
}}
tell() {{
    logger -t holdfast-guard "$1"
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" >> {LOG}
}}"""


def script(state: dict[str, Any]) -> str:
    """POSIX shell that restores files, rules, units, kernel settings and accounts of one commit.

    As in `revert`, the state stays where something failed (exit code 75): systemd calls again.
    """
    by_socket = state["units"].get("ssh.socket", {}).get("ActiveState") in units.ACTIVE
    lines = [HEAD, *_files(state)]
    if by_socket:  # it may not start beside its service, which systemd may lose when a unit state changes
        lines.append('[ "$1" = boot ] || systemctl stop ssh.service')
    lines.append("try systemctl daemon-reload")
    if state["tables"]:  # without nft there is no table either
        lines.append(f'[ "$1" = boot ] || ! command -v nft > /dev/null || try nft -f {TABLES}')
    for name, old in state["units"].items():
        lines += _unit(name, old)
    if state["restart"]:
        lines.append(f'[ "$1" = boot ] || try systemctl --no-block try-restart {" ".join(state["restart"])}')
    for key, value in state["sysctl"].items():
        lines.append(f'echo {shlex.quote(value)} > {shlex.quote(sysctl.path_of(key))} || failed="$failed; {key}"')
    ssh, verb = ("ssh.socket", "start") if by_socket else ("ssh.service", "reload-or-restart")
    lines += ['if [ "$1" != boot ]; then', f"    systemctl reset-failed {ssh}", f"    try systemctl {verb} {ssh}", "fi"]
    return "\n".join([*lines, *_end(state["id"])]) + "\n"


def _files(state: dict[str, Any]) -> list[str]:
    """Files and account databases, each by one rename or unlink."""
    lines = []
    for path, how in state["files"].items():
        if how == "twin":
            lines.append(f"back {shlex.quote(files.twin_of(path))} {shlex.quote(path)}")
        else:
            lines.append(f"try rm -f {shlex.quote(path)}")
    for name in state["accounts"]:
        lines.append(f"back {files.twin_of(accounts.path_of(name))} {accounts.path_of(name)}")
        lines.append(f"try rm -f /etc/.{name}{files.ROOM}")
    return lines


def _unit(name: str, old: dict[str, str]) -> list[str]:
    """Verbs for one unit, needed or not: to take away what is not there fails, and only bringing back has to work."""
    if old["LoadState"] == "masked":
        return [f"try systemctl --quiet mask {name}"]
    enabled, active = old["UnitFileState"] in ("enabled", "alias"), old["ActiveState"] in units.ACTIVE
    return [
        f"systemctl --quiet unmask {name}",
        f"try systemctl --quiet enable {name}" if enabled else f"systemctl --quiet disable {name}",
        f"try systemctl --quiet --no-block start {name}" if active else f"systemctl --quiet --no-block stop {name}",
    ]


def _end(ident: str) -> list[str]:
    """Say how it went; forget the state where all went well."""
    done, failed = (json.dumps({"id": ident, "why": WHY, "problems": problems}) for problems in ([], [f"see {LOG}"]))
    return [
        'if [ -n "$failed" ]; then',
        f"    echo {shlex.quote(failed)} > {LAST}",
        f'    tell "{ident} not wholly reverted by the shell, trying again$failed"',
        "    exit 75",
        "fi",
        f"echo {shlex.quote(done)} > {LAST}",
        f'tell "{ident} reverted by the shell: Python does not run on this host"',
        f"rm -f {STATE} || exit 75",
        f"systemctl --no-block stop {revert_unit(ident)}.timer {abort_unit(ident)}.path",
        "exit 0 # what is stopped there may be gone already",
    ]


def write(state: dict[str, Any]) -> None:
    """Keep the script beside the state."""
    write_durably(RESCUE, script(state).encode(), 0o700)
