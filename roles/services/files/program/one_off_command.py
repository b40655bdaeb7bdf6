"""One command in the sandbox of a service, on record."""

from __future__ import annotations

import fcntl
import os
import re
import syslog
import time

import calling
import deploy_lock
import kept_files
import layout
import systemd_units

COMMANDS = "/run/holdfast-run"
BUSY = 75


def run_recorded(name: str, command: str) -> int:
    """Run a command in the sandbox of a service, on record; print what it prints and return its exit code."""
    plan = kept_files.read(f"{layout.PLANS}/{name}.json")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not plan.get("release"):
        print(f"no service {name!r} with a release runs on this host")
        return 2
    unit = f"{name}-run@{plan['release']}.service"
    os.makedirs(COMMANDS, mode=0o700, exist_ok=True)
    with open(f"{COMMANDS}/{name}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another command of {name} is running; wait for it")
            return BUSY
        if systemd_units.show(unit)["ActiveState"] == "activating":
            print(f"the last command of {name} is still running: systemctl stop {unit} ends it")
            return BUSY
        who = os.environ.get("SUDO_USER") or "root"
        syslog.openlog("holdfast-run")
        try:
            with deploy_lock.undisturbed(0):
                syslog.syslog(syslog.LOG_NOTICE, f"{name}: {who} runs: {command.strip()}")
                systemd_units.end({unit})
                code = carry_out(name, unit, command)
        except deploy_lock.BusyError:
            print("updates are being installed, or restart what runs old code; try again when they are done")
            return BUSY
        syslog.syslog(syslog.LOG_NOTICE, f"{name}: the command of {who} ended with {code}")
        return code


def carry_out(name: str, unit: str, command: str) -> int:
    """Hand the command to its unit, wait for its end, and print what it said."""
    path = f"{COMMANDS}/{name}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(command if command.endswith("\n") else f"{command}\n")
    # Not by the invocation's ID, which the journal leaves out where the process has ended before it looks.
    since = f"--since=@{time.time():.6f}"
    wrong = systemd_units.systemctl("start", unit)
    state = systemd_units.show(unit)
    os.unlink(path)
    calling.run("journalctl", "--sync")
    said = calling.run("journalctl", since, f"_SYSTEMD_UNIT={unit}", "-o", "cat", "-q", "--no-pager")[1]
    status = int(state["ExecMainStatus"])
    if wrong and not status:
        said += f"\n{wrong}\n{systemd_units.last_words(unit)}"
        status = 1
    systemd_units.end({unit})  # before anything is printed: whoever asked may be gone
    print(said, flush=True)
    return status if state["ExecMainCode"] in ("0", "1") else 128 + status
