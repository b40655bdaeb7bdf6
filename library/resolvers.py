#!/usr/bin/python
"""See which program keeps the host's list of resolvers, and whether other resolvers would answer. Changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resolvers
short_description: See who keeps the host's list of resolvers, and whether others would answer; changes nothing
description:
  - Fails where a program keeps the list that would write over another one, or add to it, and says how to end that.
  - Asks each resolver from the host. Fails when none of them answers, unless the host asks them already; one that is
    silent beside one that answers is a warning.
author: [holdfast]
options:
  addresses:
    description: Addresses of the resolvers.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Prove the resolvers
  resolvers:
    addresses: [192.0.2.53, "2001:db8::53"]
  register: found
"""

RETURN = r"""
keeper:
  description: Where the list is to be declared - V(file), which is C(/etc/resolv.conf), or V(systemd-resolved).
  type: str
  returned: success
writers:
  description: Programs that would write over the list, or ask others beside it, and have to be told, of V(dhclient),
    V(dhcpcd), V(NetworkManager) and V(systemd-resolved).
  type: list
  elements: str
  returned: success
silent: {description: Those that do not answer., type: list, elements: str, returned: success}
"""

import os
import re
import secrets
import shutil
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_text import read

FILE = "/etc/resolv.conf"
RESOLVED = "/etc/systemd/resolved.conf.d/99-holdfast.conf"
# Of what systemd-resolved writes for others, the list that has the servers of cards beside the declared ones.
UPLINKS = "/run/systemd/resolve/resolv.conf"
NETWORKMANAGER = "/etc/NetworkManager/conf.d"
# What is there where a program has to be told, by where the list is kept. systemd-resolved beside a plain file is asked
# by the C library's nss-resolve. What dhclient and dhcpcd tell systemd-resolved is for no name that is declared.
WRITERS = {
    "file": {
        "dhclient": "/etc/dhcp/dhclient-enter-hooks.d",
        "dhcpcd": "/usr/lib/dhcpcd/dhcpcd-run-hooks",
        "NetworkManager": NETWORKMANAGER,
        "systemd-resolved": "/usr/lib/systemd/systemd-resolved",
    },
    "systemd-resolved": {"NetworkManager": NETWORKMANAGER},
}
# dhcpcd reads one file of that name, and no folder.
DHCPCD_HOOK, OURS = "/etc/dhcpcd.enter-hook", "policy.base.resolvers"
TRIES, SECONDS = 2, 2.0
FOUND, NO_SUCH_NAME = 0, 3


class KeeperError(Exception):
    """Somebody else keeps the list, and would write over ours."""


def mount_points(mountinfo: str) -> set[str]:
    """Return where something is mounted. Users' mounts have any name: a line feed alone ends a line."""
    words = (line.split(" ") for line in mountinfo.split("\n"))
    return {fields[4] for fields in words if len(fields) > 4}


def keeper() -> str:
    """Return who keeps the list of resolvers.

    Raises:
        KeeperError: a program that has no place for a list of ours.
    """
    if FILE in mount_points(read("/proc/self/mountinfo")):
        raise KeeperError(
            f"{FILE} is mounted from outside, as in a container: declare them where the container is declared"
        )
    target = os.path.realpath(FILE)
    if target == UPLINKS:
        raise KeeperError(
            f"{FILE} leads to {UPLINKS}, where systemd-resolved adds the resolvers of cards: let it lead to "
            f"systemd-resolved itself, `ln -sf ../run/systemd/resolve/stub-resolv.conf {FILE}`"
        )
    if target.startswith(("/run/systemd/resolve/", "/usr/lib/systemd/resolv.conf")):
        return "systemd-resolved"
    if target != FILE:
        raise KeeperError(f"{FILE} is a link to {target}, which another program keeps: declare them there")
    program = shutil.which("resolvconf", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program and os.path.basename(os.path.realpath(program)) != "resolvectl":
        raise KeeperError(f"resolvconf writes {FILE}: purge the package resolvconf or openresolv first")
    return "file"


def writers(kept_by: str) -> list[str]:
    """Return the programs on the host that have to be told to leave the list to us.

    Raises:
        KeeperError: the place in which one of them is told is somebody else's.
    """
    found = [name for name, path in WRITERS[kept_by].items() if os.path.exists(path)]
    if "dhcpcd" in found and re.search(r"(?m)^\s*nohook\s.*\bresolv\.conf\b", read("/etc/dhcpcd.conf")):
        found.remove("dhcpcd")
    hook = read(DHCPCD_HOOK)
    if "dhcpcd" in found and hook and OURS not in hook:
        raise KeeperError(
            f"dhcpcd writes {FILE}, and {DHCPCD_HOOK}, by which it would leave it, is not ours: add the line "
            "`nohook resolv.conf` to /etc/dhcpcd.conf, and restart dhcpcd"
        )
    return found


def asked_already(kept_by: str) -> list[str]:
    """Return the resolvers that the host asks now by a declaration such as ours."""
    if kept_by == "file":
        return re.findall(r"(?m)^nameserver\s+(\S+)", read(FILE))
    found = re.search(r"(?m)^DNS=(.+)$", read(RESOLVED))
    return found[1].split() if found else []


def answers(address: str) -> bool:
    """Tell whether a resolver looks up names for this host: asked for the root's servers, which every one knows."""
    ident = secrets.token_bytes(2)
    query = ident + bytes.fromhex("0100 0001 0000 0000 0000 00 0002 0001")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(TRIES):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as door:
                door.settimeout(SECONDS)
                door.connect((address, 53))
                door.send(query)
                reply = door.recv(4096)
        except OSError:
            continue
        # It is a reply to this, and of one who asks others for us (RA).
        if len(reply) >= 12 and reply[:2] == ident and reply[2] & 0x80 and reply[3] & 0x80:
            return reply[3] & 15 in (FOUND, NO_SUCH_NAME)
    return False


def main() -> None:
    """Look, ask, tell."""
    module = AnsibleModule(
        argument_spec={"addresses": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    addresses = module.params["addresses"]
    try:
        kept_by = keeper()
        told = writers(kept_by)
    except KeeperError as error:
        module.fail_json(msg=f"policy.base.resolvers cannot be brought about, and nothing was changed. {error}.")
    silent = [address for address in addresses if not answers(address)]
    if silent == addresses and asked_already(kept_by) != addresses:
        module.fail_json(
            msg=f"{', '.join(silent)}: no answer to a DNS query from this host. The resolvers that it has "
            "were kept, and nothing was changed. Correct policy.base.resolvers, or let them answer this host."
        )
    for address in silent:
        module.warn(f"the resolver {address} does not answer a DNS query from this host (policy.base.resolvers)")
    module.exit_json(changed=False, keeper=kept_by, writers=told, silent=silent)


if __name__ == "__main__":
    main()
