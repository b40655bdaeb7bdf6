"""The `backup_repository` filter: where one host's backups go."""

from __future__ import annotations

import re
from typing import Any

SFTP = re.compile(r"sftp://(?P<user>[^@]+)@(?P<server>\[[^\]]+\]|[^:/]+)(:(?P<port>[0-9]+))?(?P<path>/.+)")


def backup_repository(cat: Any, host: str) -> dict[str, Any]:
    """Return where the backups of `host` go as {url, path, server}, or {} where no repository is declared.

    url: as restic spells it. path: the repository's folder. server: None for the host itself, otherwise
    {name, port, user, known_hosts}, the last being the line that pins its key.
    """
    declared = cat["policy"]["backup"].get("repository")
    if not declared:
        return {}
    far = SFTP.fullmatch(declared["url"])
    if far is None:
        path = f"{declared['url']}/{host}"
        return {"url": path, "path": path, "server": None}
    path, port = f"{far['path']}/{host}", int(far["port"] or 22)
    name = far["server"].strip("[]")
    key = " ".join((declared.get("host_key") or "").split()[:2])
    return {
        # Of the two slashes the second makes the path an absolute one.
        "url": f"sftp://{far['user']}@{far['server']}:{port}/{path}",
        "path": path,
        "server": {"name": name, "port": port, "user": far["user"], "known_hosts": f"repository {key}"},
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"backup_repository": backup_repository}
