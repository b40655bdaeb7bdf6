"""A resolver in a namespace of a host, which that host may be told to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .starts import edit, own
from .traffic import attach, install

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

ANSWERS, ANSWERS6, SILENT, FOUND = "192.0.2.53", "2001:db8:9::53", "192.0.2.99", "192.0.2.4"
# It hands out addresses as well, and with them a resolver that is not there.
SERVER = (
    "ip netns exec world dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --bind-interfaces --no-resolv"
    f" --no-hosts --listen-address={ANSWERS},{ANSWERS6} --address=/#/{FOUND} --local=/./ --log-queries"
    f" --dhcp-range=192.0.2.100,192.0.2.150 --dhcp-option=3 --dhcp-option=6,{SILENT} --no-ping"
    " --dhcp-leasefile=/run/leases"
)
# The engine mounts the container's list upon the file; a VPS has the file itself.
LIKE_A_VPS = "cp /etc/resolv.conf /run/provider && umount /etc/resolv.conf && cp /run/provider /etc/resolv.conf"


def with_a_resolver(target: Target, folder: Path) -> Target:
    """Give the hardened host a card, behind which a resolver knows every name, and an inventory of its own."""
    install(target.host, "dnsmasq-base")
    attach(target.host, "wan0", "world", ["192.0.2.1/24", "2001:db8:9::1/64"], [f"{ANSWERS}/24", f"{ANSWERS6}/64"])
    target.sh(f"systemd-run --quiet --unit=upstream {SERVER}; {LIKE_A_VPS}")
    return own(target, folder)


def declare(target: Target, *addresses: str) -> None:
    """Declare the resolvers in the policy."""
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(resolvers=[*addresses]))
