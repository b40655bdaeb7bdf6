#!/usr/bin/python
"""Purge what somebody installed, enabled or made set-uid, and nobody declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: purge_left_over
short_description: Purge what somebody installed, enabled or made set-uid, and nobody declared
description:
  - Purges packages that are marked as manually installed. Debian's own core (required, important, essential) and what
    O(allowed) names stay, and with them whatever they need or recommend, as apt itself judges it.
  - Refuses, and purges nothing, when apt would remove anything that is allowed along with them.
  - Then disables and stops enabled services, timers, sockets and paths that are not allowed, and takes the set-uid and
    set-gid bits off files that are not; of a file of a package by C(dpkg-statoverride), so that an upgrade brings none
    back. What a purged package brings goes with it.
  - A unit by which the present login came in, which the network, logins or an allowed unit may need, or which mounts
    something, is kept, and so is the package that brings such a one. So is a package on hold, a file of which an
    allowed one is another name, one in the root folder of another system, and one that cannot be changed. C(kept) says
    why.
  - All is judged before anything goes. Check mode tells what a run would do.
author: [holdfast]
options:
  allowed:
    description: What may be there. C(*) stands for any characters.
    type: dict
    required: true
    suboptions:
      packages: {description: Names of packages., type: list, elements: str, required: true}
      units: {description: Names of enabled units. Without the list units are not looked at., type: list, elements: str}
      setuid:
        description: Paths of set-uid and set-gid files. Without the list they are not looked at.
        type: list
        elements: str
  lock_seconds:
    description: Seconds to wait for another program that holds the lock of apt.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Purge what nobody declared
  purge_left_over:
    allowed:
      packages: [openssh-*, sudo, nftables, linux-image-*]
      units: [ssh.service, systemd-*, nftables.service]
      setuid: [/usr/bin/sudo, /usr/bin/passwd]
"""

RETURN = r"""
packages: {description: Packages that were purged., type: list, elements: str, returned: success}
units: {description: Units that were disabled and stopped., type: list, elements: str, returned: success}
setuid: {description: Files that are set-uid or set-gid no more., type: list, elements: str, returned: success}
kept: {description: "What is left over and stays, and why.", type: list, elements: str, returned: success}
says: {description: All of it in words. In check mode what would be done., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.left_over.host_tools import Host
from ansible.module_utils.left_over.names import printable
from ansible.module_utils.left_over.packages import Packages
from ansible.module_utils.left_over.setuid import SetUid
from ansible.module_utils.left_over.units import Units


def main() -> None:
    """Run as a module."""
    names = {"type": list, "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "allowed": {
                "type": dict,
                "required": True,
                "options": {"packages": {**names, "required": True}, "units": names, "setuid": names},
            },
            "lock_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    allowed, real = module.params["allowed"], not module.check_mode
    host = Host(module)
    packages = Packages(host, allowed["packages"])
    # All is judged before anything goes, so that check mode tells what a run does.
    while True:
        purged = sorted({*packages.found, *packages.gone})
        units = Units(host, ["*"] if allowed["units"] is None else allowed["units"], purged)
        if not units.obstacles:
            break
        packages.keep(units.obstacles)
    without = {name.partition(":")[0] for name in purged}
    files = SetUid(host, allowed["setuid"], without) if allowed["setuid"] is not None else None
    if real and packages.found:
        packages.purge(module.params["lock_seconds"])
    if real and units.found:
        units.disable()
    if real and files:
        files.take_off()

    result = {
        "packages": purged,
        "units": sorted(printable(name) for name in units.found),
        "setuid": sorted(printable(path) for path in files.found) if files else [],
        "kept": [*packages.kept, *units.kept, *(files.kept if files else [])],
    }
    words = {
        "packages": ("would purge", "purged"),
        "units": ("would disable and stop", "disabled and stopped"),
        "setuid": ("would take the set-uid and set-gid bits off", "took the set-uid and set-gid bits off"),
    }
    says = [f"{words[part][real]} {', '.join(result[part])}" for part in words if result[part]]
    module.exit_json(changed=bool(says), says=says + result["kept"], **result)


if __name__ == "__main__":
    main()
