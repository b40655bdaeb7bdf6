"""Collect, as root on the host, what the promises about services look at; changes nothing.

Whether one service can reach another's things is tried as its user, with nothing of its sandbox in the way.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
import subprocess
import time
from typing import Any

OUT_OF_MEMORY = "fe6faa94e7774663a0da52717891d8ef"  # systemd's id of that message
SHOWN = (
    "Id,LoadState,ActiveState,SubState,Result,NRestarts,MainPID,ExecMainStatus,ExecMainStartTimestampMonotonic,"
    "MemoryMax,TasksMax,CPUQuotaPerSecUSec,UnitFileState"
)


def run(argv: list[str], seconds: float = 30) -> str:
    """What a command prints, nothing when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=False, text=True)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """State of units by name."""
    if not names:
        return {}
    blocks = run(["systemctl", "show", "-p", SHOWN, "--", *names]).strip().split("\n\n")
    parsed = [dict(line.split("=", 1) for line in block.split("\n") if "=" in line) for block in blocks]
    return {one["Id"]: one for one in parsed if "Id" in one}


def others(services: list[dict[str, Any]], declared: set[str]) -> list[str]:
    """Instances of the services' templates that run, wait or have failed and are not declared."""
    parts = [f"{one['name']}-{role}@*.service" for one in services for role in one["parts"]]
    timers = [f"{one['name']}-{name}@*.timer" for one in services for name in one["schedules"]]
    return listed([*parts, *timers], declared)


def listed(patterns: list[str], declared: set[str]) -> list[str]:
    """Units of these names that run, wait or have failed and are not declared."""
    if not patterns:
        return []
    lines = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", *patterns]).split("\n")
    return sorted(words[0] for words in map(str.split, lines) if words and words[0] not in declared)


def exposures(names: list[str]) -> dict[str, float]:
    """What systemd thinks of each sandbox, from 0 (closed) to 10."""
    if not names:
        return {}
    text = run(["systemd-analyze", "security", "--no-pager", *names], 60)
    return {name: float(value) for name, value in re.findall(r"exposure level for (\S+): ([0-9.]+)", text)}


def killed_for_memory() -> list[str]:
    """Units of which a process was killed for want of memory within a day; told by systemd, not by just anybody."""
    wanted = ["-o", "json", "--output-fields=UNIT", "_PID=1", f"MESSAGE_ID={OUT_OF_MEMORY}"]
    lines = run(["journalctl", "-q", "--since=-1day", *wanted]).split("\n")
    return sorted({str(json.loads(line).get("UNIT", "")) for line in lines if line})


def described(path: str) -> dict[str, Any] | None:
    """Owner, group and mode of a path; None when it is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return {"uid": found.st_uid, "gid": found.st_gid, "mode": stat.S_IMODE(found.st_mode)}


def opens(path: str) -> bool:
    """Whether this process can list a directory or open a file."""
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            with open(path, "rb") as stream:
                stream.read(1)
    except OSError:
        return False
    return True


def open_to(account: str, paths: list[str]) -> list[str]:
    """Those of the paths that an account can read: tried in a child that is nobody else any more."""
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        return []
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        os.write(writer, json.dumps([path for path in paths if opens(path)]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    found: list[str] = json.loads(answer)
    return found


def belongings(service: dict[str, Any], state: dict[str, dict[str, str]]) -> list[str]:
    """What of a service nobody else may read: its files, sockets, credentials, and the environment of its processes."""
    name = service["name"]
    paths = [f"/srv/{name}", f"/srv/{name}/shared", f"/run/{name}", f"/etc/holdfast/secrets/{name}"]
    paths.append(f"/etc/holdfast/services/{name}.env")
    if service["release"]:
        paths.append(f"/srv/{name}/releases/{service['release']}")
    paths += [f"/etc/holdfast/secrets/{name}/{secret}" for secret in service["secrets"]]
    for role in service["parts"]:
        unit = f"{name}-{role}@{service['release']}.service"
        paths.append(f"/run/credentials/{unit}")
        paths += [f"/run/credentials/{unit}/{secret}" for secret in service["secrets"]]
        if int(state.get(unit, {}).get("MainPID", "0")):
            paths.append(f"/proc/{state[unit]['MainPID']}/environ")
    return [path for path in paths if os.path.lexists(path)]


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Answer everything; `params`: services, each with name, release, parts, schedules, unread and secrets."""
    services = params["services"]
    parts = [f"{one['name']}-{role}@{one['release']}.service" for one in services for role in one["parts"]]
    runs = [f"{one['name']}-{name}@{one['release']}.service" for one in services for name in one["schedules"]]
    timers = [f"{one['name']}-{name}@{one['release']}.timer" for one in services for name in one["schedules"]]
    templates = [one["unread"][kind] for one in services for kind in ("parts", "schedules")]
    unread = listed(
        [f"{name}*.{kind}" for names in templates for name in names for kind in ("service", "timer")], set()
    )
    undeclared = others(services, {*parts, *timers})
    state = units([*parts, *runs, *timers, *unread, *undeclared])
    reached = []
    for service in services:
        paths = belongings(service, state)
        for intruder in [*[one["name"] for one in services if one is not service], "nobody"]:
            reached += [
                {"who": intruder, "service": service["name"], "path": path} for path in open_to(intruder, paths)
            ]
        own = [path for path in paths if path.startswith("/etc/holdfast/")]
        reached += [
            {"who": service["name"], "service": service["name"], "path": path} for path in open_to(service["name"], own)
        ]
    places = {
        path: described(path)
        for one in services
        for path in (
            f"/srv/{one['name']}",
            f"/srv/{one['name']}/releases",
            f"/srv/{one['name']}/shared",
            f"/run/{one['name']}",
            f"/etc/holdfast/services/{one['name']}.env",
            *(f"/etc/holdfast/secrets/{one['name']}/{secret}" for secret in one["secrets"]),
        )
    }
    return {
        "uptime": time.monotonic(),
        "units": state,
        "others": undeclared,
        "unread": unread,
        "exposures": exposures([*parts, *runs, *(name for name in unread if name.endswith(".service"))]),
        "killed_for_memory": killed_for_memory(),
        "places": places,
        "reached": reached,
    }
