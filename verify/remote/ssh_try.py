"""Try to log in, in the network where this runs, and tell what the host answered.

Keys and pinned host keys arrive with the parameters and live in a private directory for the length of the try. Each
try is a connection of its own: no configuration file, no agent, no shared control socket.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from typing import Any


def attempt(folder: str, params: dict[str, Any]) -> dict[str, Any]:
    """One login: {entered, methods, text, rc}. `entered` is true when a command ran on the host."""
    options = {
        "BatchMode": "no",
        "ConnectTimeout": "8",
        "ConnectionAttempts": "1",
        "ControlMaster": "no",
        "ControlPath": "none",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "NumberOfPasswordPrompts": "1",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": f"{folder}/known_hosts",
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": params["alias"],
        "PreferredAuthentications": "publickey,keyboard-interactive,password",
    }
    argv = ["ssh", "-F", "none", "-T", "-p", str(params["port"]), "-l", params["user"]]
    argv += ["-i", f"{folder}/key"]
    for key, value in options.items():
        argv += ["-o", f"{key}={value}"]
    argv += [params["address"], "echo", "holdfast-entered"]
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": folder,
        "LC_ALL": "C",
        # echo answers the prompt with the prompt itself: a password that nobody has.
        "SSH_ASKPASS": "/bin/echo",
        "SSH_ASKPASS_REQUIRE": "force",
    }
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=25, check=False, env=environment, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return {"entered": False, "methods": [], "text": "there is no ssh client here", "rc": 127}
    except subprocess.TimeoutExpired:
        return {"entered": False, "methods": [], "text": "no answer within 25 s", "rc": 124}
    text = done.stderr.decode(errors="replace").strip()
    methods = re.findall(r"Permission denied \(([a-z,-]+)\)", text)
    return {
        "entered": b"holdfast-entered" in done.stdout,
        "methods": methods[-1].split(",") if methods else [],
        "text": text[-600:],
        "rc": done.returncode,
    }


def main(params: dict[str, Any]) -> dict[str, Any]:
    """One login with `params`: address, port, user, alias, known_hosts, key (private key text)."""
    folder = tempfile.mkdtemp(prefix="verify-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        for name, content in (("known_hosts", params["known_hosts"]), ("key", params["key"])):
            handle = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
        return attempt(folder, params)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
