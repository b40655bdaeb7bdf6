#!/usr/bin/python
"""Host half of release_copy: unpack one archive as a release that its service can read and nobody but root change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_copy
short_description: Copy the releases of services to a host
description:
  - Each release is packed on the controller, carried as one file and unpacked in C(/srv/NAME/releases/ID), which
    appears whole or not at all. It belongs to root; the service's group may read it.
  - What arrived is compared with the ID, which C(release_ids) made of it earlier in the run. A release that was built
    anew meanwhile is not put under the old name; the task fails.
  - Two remote calls for each release.
author: [holdfast]
options:
  releases:
    description: The releases to copy.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the service; its group has to exist., type: str, required: true}
      source: {description: "Directory or archive on the controller, or a link to one.", type: path, required: true}
      place: {description: "Directory on the host that it becomes; the last part is its ID.", type: str, required: true}
"""

EXAMPLES = r"""
- name: Copy what is missing
  release_copy:
    releases: [{name: blog, source: /builds/blog, place: /srv/blog/releases/0f1e2d3c4b5a}]
"""

RETURN = r"""
did: {description: Each change in words., type: list, elements: str, returned: success}
would: {description: The same in check mode., type: list, elements: str, returned: in check mode}
"""

import errno
import grp
import hashlib
import os
import shutil
import stat
import tarfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


# The two digests are those of the action plugin release_ids, which a host does not have; a test holds them together.
def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of_content(path: Path) -> str:
    """SHA-256 of all names, contents, links and x-bits in a directory."""
    whole = hashlib.sha256()
    for folder, directories, names in os.walk(path):
        directories.sort()
        for name in sorted([*directories, *names]):
            entry = Path(folder, name)
            mode = entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                what = f"link {entry.readlink()}"
            elif stat.S_ISDIR(mode):
                what = "directory"
            else:
                what = f"file {mode & stat.S_IXUSR} {digest_of_file(entry)}"
            whole.update(f"{entry.relative_to(path)}\0{what}\0".encode(errors="surrogateescape"))
    return whole.hexdigest()


def place_of(member: tarfile.TarInfo) -> str:
    """Return the member's path within the release; empty for the release itself.

    Raises ValueError: it would lie outside, or is neither file, directory nor link.
    """
    path = os.path.normpath(member.name)
    if path == ".":
        if not member.isdir():
            raise ValueError(f"{member.name} is the release itself and no directory")
        return ""
    if os.path.isabs(path) or path.split("/")[0] == "..":
        raise ValueError(f"{member.name} would lie outside of the release")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise ValueError(f"{member.name} is neither file, directory nor link")
    return path


def unpack(archive: str, folder: str, group: int) -> None:
    """Unpack into a new folder. Symbolic links come last, so that nothing is ever written through one.

    Raises ValueError: something in it does not belong there.
    """
    os.mkdir(folder, 0o700)
    links = []
    with tarfile.open(archive, "r:gz") as source:
        for member in source:
            path = place_of(member)
            if not path:
                continue
            target = os.path.join(folder, path)
            if member.isdir():
                os.makedirs(target, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if member.issym():
                links.append((member.linkname, target))
                continue
            stream = source.extractfile(member)  # of a hard link, what it leads to within the archive
            if stream is None:
                raise ValueError(f"{member.name} has no content")
            with open(target, "xb") as handle:
                shutil.copyfileobj(stream, handle)
            os.chmod(target, 0o750 if member.mode & 0o100 else 0o640)
    for text, target in links:
        os.symlink(text, target)
    for where, directories, names in os.walk(folder):
        os.chmod(where, 0o750)
        for name in [".", *directories, *names]:
            os.chown(os.path.join(where, name), 0, group, follow_symlinks=False)


def compare(digest: str, ident: str) -> None:
    """Compare what arrived with the ID, which was made of the source when the run began.

    Raises ValueError: it is something else, and would be known as that release for good.
    """
    now = digest[: len(ident)]
    if now != ident:
        raise ValueError(
            f"the source changed since the run began, from {ident} to {now}; let the build end, and run again"
        )


def arrive(archive: str, folder: str, named_by: str, ident: str, group: int) -> None:
    """Unpack into a new folder what the ID stands for.

    Raises ValueError: it is something else, or something in it does not belong there.
    """
    if named_by == "archive":
        compare(digest_of_file(Path(archive)), ident)
    unpack(archive, folder, group)
    if named_by == "content":
        compare(digest_of_content(Path(folder)), ident)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "place": {"type": "str", "required": True},
            "archive": {"type": "path", "required": True},
            "named_by": {"choices": ["archive", "content"], "required": True},
        }
    )
    name, place, named_by = module.params["name"], module.params["place"], module.params["named_by"]
    ident = os.path.basename(place)
    fresh = os.path.join(os.path.dirname(place), f".{ident}.new")
    if os.path.isdir(place):
        module.exit_json(changed=False)
    os.umask(0o077)
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        arrive(module.params["archive"], fresh, named_by, ident, grp.getgrnam(name).gr_gid)
        os.sync()  # whole on the disk before it has its name
        os.rename(fresh, place)
    except (OSError, KeyError, ValueError, tarfile.TarError, EOFError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = f"; make room in {os.path.dirname(place)}, and run again" if full else ""
        module.fail_json(msg=f"nothing was changed: {error}{fix}")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
