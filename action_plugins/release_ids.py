"""Look at the releases of the services, on the controller: what each is called by its content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

SPEC = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "directory": {"type": "path", "required": True},
}
ID_LENGTH = 12


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a release: of an archive's bytes, or of all names, contents, links and x-bits in a directory.

    Raises OSError: something cannot be read, or is neither file, directory nor link.
    """
    if not path.is_dir():
        return digest_of_file(path)
    whole = hashlib.sha256()
    for folder, directories, names in os.walk(path, onerror=_raise):
        directories.sort()
        for name in sorted([*directories, *names]):
            entry = Path(folder, name)
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                what = f"link {entry.readlink()}"
            elif stat.S_ISDIR(mode):
                what = "directory"
            elif stat.S_ISREG(mode):
                what = f"file {mode & stat.S_IXUSR} {digest_of_file(entry)}"
            else:
                raise OSError(f"{entry.relative_to(path)} is neither file, directory nor link")
            whole.update(f"{entry.relative_to(path)}\0{what}\0".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _raise(error: OSError) -> None:
    raise error


def look(services: list[dict[str, Any]], directory: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return id and path of each service's release, and why others cannot be read, both by service."""
    releases: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for service in services:
        if not (given := service.get("release")):
            continue
        path = Path(directory, str(given["path"]))
        try:
            digest = digest_of(path)
        except OSError as error:
            unreadable[str(service["name"])] = f"{given['path']}: {error.strerror or error}"
            continue
        if not path.is_dir() and not path.resolve().name.endswith((".tar.gz", ".tgz")):
            unreadable[str(service["name"])] = f"{given['path']}: neither a directory nor a .tar.gz"
            continue
        # Where a link such as `current` leads now: it may lead elsewhere by the time that the release is packed.
        releases[str(service["name"])] = {"id": digest[:ID_LENGTH], "path": str(path.resolve())}
    return releases, unreadable


class ActionModule(ActionBase):
    """Controller only: no host is contacted."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``releases`` and what could not be read."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(SPEC)
        releases, unreadable = look(args["services"], args["directory"])
        result.update(changed=False, releases=releases, unreadable=unreadable)
        return result
