"""Set-uid and set-gid files that nobody declared."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING

from ansible.module_utils.host_text import read
from ansible.module_utils.left_over.names import matches, printable
from ansible.module_utils.left_over.setuid_files import NotListedError, other_root, setuid_files
from ansible.module_utils.left_over.way_in import PROC, lineage

if TYPE_CHECKING:
    from ansible.module_utils.left_over.host_tools import Host


def owner_of(state: os.stat_result) -> tuple[str, str]:
    """Return the user and the group of a file as dpkg-statoverride takes them."""
    try:
        user = pwd.getpwuid(state.st_uid).pw_name
    except KeyError:
        user = f"#{state.st_uid}"
    try:
        group = grp.getgrgid(state.st_gid).gr_name
    except KeyError:
        group = f"#{state.st_gid}"
    return user, group


class SetUid:
    """Files that give whoever runs them another's rights."""

    def __init__(self, host: Host, allowed: list[str], without: set[str]) -> None:
        """Find what is left over. What the packages ``without`` bring goes with them."""
        self.host = host
        self.kept: list[str] = []
        # A file of several names is allowed by one: by a mount of another folder the bit would go off sudo itself.
        files = [names for names in self._listed() if not any(matches(printable(name), allowed) for name in names)]
        self.owners = host.owners([name for names in files for name in names])
        programs = lineage()[1] if files else set()
        self.found = []
        for names in files:
            path = next((name for name in names if name in self.owners), names[0])
            root = other_root(path)
            if programs & {*names}:
                self.kept.append(f"{printable(path)} stays set-uid: this very run came in through it")
            elif root:
                self.kept.append(
                    f"{printable(path)} stays set-uid: {printable(root)} is the root folder of another system"
                )
            elif self.owners.get(path, ("",))[0] not in without:
                self.found.append(path)

    def _listed(self) -> list[list[str]]:
        try:
            found: list[list[str]] = setuid_files(read(f"{PROC}/self/mountinfo"))
        except NotListedError as error:
            self.kept.append(f"set-uid files were not looked at: {error}")
            return []
        return found

    def take_off(self) -> None:
        """Take the bits off; what cannot be changed is kept."""
        for path in [*self.found]:
            try:
                if path in self.owners:
                    self._override(path)
                else:
                    self._change(path)
            except OSError as error:
                self.found.remove(path)
                self.kept.append(f"{printable(path)} stays set-uid: {error.strerror}")

    def _override(self, path: str) -> None:
        state = os.lstat(path)
        mode = f"{stat.S_IMODE(state.st_mode) & 0o1777:04o}"
        force = "--force-statoverride-add"  # somebody's own for this file is replaced
        add = ["dpkg-statoverride", force, "--update", "--add", *owner_of(state), mode, self.owners[path][1]]
        code, out, err = self.host.module.run_command(add)
        if code:
            raise OSError(code, " ".join((err or out).split())[-300:])

    @staticmethod
    def _change(path: str) -> None:
        """Take the bits off the very file that was found: its folder may be a stranger's, and lead elsewhere by now."""
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.readlink(f"/proc/self/fd/{handle}") != path:
                raise OSError(0, "it is another file by now")
            os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & 0o1777)
        finally:
            os.close(handle)
