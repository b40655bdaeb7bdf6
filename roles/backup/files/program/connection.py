"""How the repository's server is reached, and what is to be done where it is not."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import locations

# ssh's words for a server that is not there, or does not know this host yet: nothing that is declared is wrong.
STRANGER = r"Permission denied \("
AWAY = re.compile(
    rf"{STRANGER}|Connection (refused|timed out|reset|closed)|Could not resolve|No route to host|unreachable"
)
SSH_FAILED = 255  # ssh(1): it ended with an error of its own


def login() -> list[str]:
    """Options of ssh and sftp for the server, which ssh's configuration names `repository`."""
    return ["-F", f"{locations.FOLDER}/ssh_config", "-i", f"{locations.secrets()}/id_ed25519"]


def ssh() -> list[str]:
    """How the server is reached."""
    return ["ssh", *login(), "repository", "-s", "sftp"]


def shut_out() -> str:
    """Why ssh cannot enter the server; nothing when it can. restic often ends before it has passed on ssh's words."""
    done = subprocess.run(
        ssh(), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    return done.stderr.strip() if done.returncode else ""


def listed(*folders: str) -> str:
    """What the server says is in these folders; nothing where they are not there."""
    asked = "".join(f"-ls -1 {folder}\n" for folder in folders)  # the dash: go on with the next one all the same
    return subprocess.run(
        ["sftp", "-b", "-", *login(), "repository"],
        input=asked, capture_output=True, text=True, errors="replace", check=False,
    ).stdout  # fmt: skip


def invitation(order: dict[str, Any]) -> str:
    """What the server's owner has to do. The line is the controller's: whoever has this host could leave words out."""
    server = order["server"]
    return (
        f"If {server['name']} does not know this host yet, add the line that site.yml and backup.yml show to the "
        f"authorized_keys of {server['user']} there, and run playbooks/backup.yml"
    )
