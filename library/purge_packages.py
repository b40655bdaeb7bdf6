#!/usr/bin/python
"""Purge the packages that somebody installed and that nobody declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: purge_packages
short_description: Purge the packages that somebody installed and that nobody declared
description:
  - Looks at packages that are marked as manually installed. Debian's own core (required, important, essential) and what
    O(allowed) names stay, and with them whatever they need or recommend, as apt itself judges it.
  - Refuses, and purges nothing, when apt would remove anything that is allowed along with them.
author: [holdfast]
options:
  allowed:
    description: Names of packages that may be installed. C(*) stands for any characters.
    type: list
    elements: str
    required: true
  lock_seconds:
    description: Seconds to wait for another program that holds the lock of apt.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Purge what nobody declared
  purge_packages:
    allowed: [openssh-*, sudo, nftables, linux-image-*]
"""

RETURN = r"""
purged:
  description: Packages that were purged, or would be in check mode.
  type: list
  elements: str
  returned: success
"""

import fnmatch
import os
import re
import shutil

from ansible.module_utils.basic import AnsibleModule

GONE = "Remv|Purg"
MARKS = "/var/lib/apt/extended_states"


class Apt:
    """apt's own judgement, in English, without questions."""

    def __init__(self, module: AnsibleModule) -> None:
        """Work for a module."""
        self.module = module
        module.run_command_environ_update = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

    def run(self, *argv: str) -> str:
        """Return what a command says; one that fails ends the module."""
        code, out, err = self.module.run_command([*argv])
        if code:
            self.module.fail_json(msg=f"nothing more was purged: {' '.join(argv[:3])}: {(err or out).strip()[-600:]}")
        return str(out)

    def manual(self) -> list[str]:
        """Packages that somebody asked for."""
        return self.run("apt-mark", "showmanual").split()

    def core(self) -> set[str]:
        """Packages without which Debian is none."""
        out = self.run("dpkg-query", "-W", "-f", "${Package} ${Priority} ${Essential}\n")
        words = (line.split() for line in out.splitlines())
        return {one[0] for one in words if {"required", "important", "yes"} & {*one[1:]}}

    def would(self, what: str, *argv: str) -> list[str]:
        """Packages that a call of apt-get would install (Inst) or remove (Remv|Purg)."""
        return re.findall(rf"(?m)^(?:{what}) (\S+)", self.run("apt-get", "-s", "-q", *argv))

    def unneeded(self, names: list[str]) -> list[str]:
        """Those of the packages that nothing else needs; tried on a copy of apt's marks."""
        copy = os.path.join(self.module.tmpdir, "extended_states")
        if os.path.exists(MARKS):
            shutil.copyfile(MARKS, copy)
        else:
            open(copy, "w").close()
        option = f"Dir::State::extended_states={copy}"
        self.run("apt-mark", "-o", option, "auto", *names)
        gone = set(self.would(GONE, "-o", option, "-o", "APT::AutoRemove::SuggestsImportant=false", "autoremove"))
        return [name for name in names if name in gone]


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec={
            "allowed": {"type": "list", "elements": "str", "required": True},
            "lock_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    patterns = module.params["allowed"]

    def allowed(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name.partition(":")[0], pattern) for pattern in patterns)

    apt = Apt(module)
    core = apt.core()
    asked = [name for name in apt.manual() if name.partition(":")[0] not in core and not allowed(name)]
    found = apt.unneeded(asked) if asked else []
    if not found:
        module.exit_json(changed=False, purged=[])
    gone, new = apt.would(GONE, "purge", *found), apt.would("Inst", "purge", *found)
    kept = sorted(name for name in gone if name not in found and (name.partition(":")[0] in core or allowed(name)))
    if new:
        module.fail_json(
            msg=f"Nothing was purged: in place of {', '.join(found)} apt would install {', '.join(new)}. "
            "Allow one of them in policy.base.packages."
        )
    if kept:
        module.fail_json(
            msg=f"Nothing was purged: with {', '.join(found)} apt would remove {', '.join(kept)}, which is to stay. "
            "Allow what it needs in policy.base.packages."
        )
    if not module.check_mode:
        lock = f"DPkg::Lock::Timeout={module.params['lock_seconds']}"
        apt.run("apt-get", "-q", "-y", "-o", lock, "purge", *found)
    module.exit_json(changed=True, purged=sorted({*found, *gone}))


if __name__ == "__main__":
    main()
