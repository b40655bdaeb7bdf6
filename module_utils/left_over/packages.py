"""Packages that nobody declared, by apt's own judgement."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from ansible.module_utils.left_over.names import matches

if TYPE_CHECKING:
    from ansible.module_utils.left_over.host_tools import Host

GONE = "Remv|Purg"
MARKS = "/var/lib/apt/extended_states"


class Packages:
    """apt's own judgement."""

    def __init__(self, host: Host, allowed: list[str]) -> None:
        """Find what is left over; end the module where its purge would take along what is to stay."""
        self.host, self.allowed = host, allowed
        out = host.run("dpkg-query", "-W", "-f", "${binary:Package}\t${db:Status-Status}\t${Priority}\t${Essential}\n")
        lines = [line.split("\t") for line in out.splitlines()]
        self.core = {one[0].partition(":")[0] for one in lines if {"required", "important", "yes"} & {*one[2:]}}
        self.stay = {one[0] for one in lines if one[1] == "installed" and self._stays(one[0])}
        self.asked = [name for name in host.run("apt-mark", "showmanual").split() if not self._stays(name)]
        held = {*host.run("apt-mark", "showhold").split()} if self.asked else set()
        self.kept = [f"{name} stays: it is on hold" for name in self.asked if name in held]
        self._find()

    def _find(self) -> None:
        self.found = self._unneeded(self.asked) if self.asked else []
        self.gone = self._would(GONE, "purge", *self.found) if self.found else []
        self._refuse()

    def keep(self, obstacles: list[tuple[str, str, str]]) -> None:
        """Keep the packages with which units would go that are not taken away unasked: (package, unit, reason)."""
        kept = {}
        for name in self.found:
            along = {one.partition(":")[0] for one in self._would(GONE, "purge", name)}
            if why := next((f"{unit}: {reason}" for package, unit, reason in obstacles if package in along), ""):
                kept[name] = why
        # What only several of them take along together, each of them does.
        for name, why in (kept or dict.fromkeys(self.found, ": ".join(obstacles[0][1:]))).items():
            self.asked.remove(name)
            self.stay.add(name)
            self.kept.append(f"{name} stays: with it would go {why}")
        self._find()

    def _stays(self, name: str) -> bool:
        """Whether it is Debian's own core, or allowed."""
        bare = name.partition(":")[0]
        return bare in self.core or matches(bare, self.allowed)

    def _would(self, what: str, *argv: str) -> list[str]:
        """Packages that a call of apt-get would install (Inst) or remove (Remv|Purg)."""
        return re.findall(rf"(?m)^(?:{what}) (\S+)", self.host.run("apt-get", "-s", "-q", *argv))

    def _unneeded(self, names: list[str]) -> list[str]:
        """Those of the packages that nothing which stays needs; tried on a copy of apt's marks.

        What is allowed stays by itself, also where it once came along with something.
        """
        copy = os.path.join(self.host.module.tmpdir, "extended_states")
        if os.path.exists(MARKS):
            shutil.copyfile(MARKS, copy)
        else:
            open(copy, "w").close()
        option = f"Dir::State::extended_states={copy}"
        self.host.run("apt-mark", "-o", option, "manual", *sorted(self.stay))
        self.host.run("apt-mark", "-o", option, "auto", *names)
        gone = set(self._would(GONE, "-o", option, "-o", "APT::AutoRemove::SuggestsImportant=false", "autoremove"))
        return [name for name in names if name in gone]

    def _refuse(self) -> None:
        new = self._would("Inst", "purge", *self.found) if self.found else []
        kept = sorted(name for name in self.gone if name not in self.found and self._stays(name))
        found = ", ".join(self.found)
        if new:
            self.host.module.fail_json(
                msg=f"Nothing was purged: in place of {found} apt would install {', '.join(new)}. "
                "Allow one of them in policy.base.packages."
            )
        if kept:
            self.host.module.fail_json(
                msg=f"Nothing was purged: with {found} apt would remove {', '.join(kept)}, which is to stay. "
                "Allow what it needs in policy.base.packages."
            )

    def purge(self, lock_seconds: int) -> None:
        """Let apt purge them."""
        self.host.run("apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={lock_seconds}", "purge", *self.found)
