"""Resolvers by policy, with a real one in a namespace of the host: a host is never left without one that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .starts import SITE, Witness, edit, own
from .traffic import attach, install

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

pytestmark = pytest.mark.slow

ANSWERS, SILENT, FOUND = "192.0.2.53", "192.0.2.99", "192.0.2.4"
SERVER = (
    "ip netns exec world dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --bind-interfaces --no-resolv"
    f" --no-hosts --listen-address={ANSWERS} --address=/#/{FOUND} --local=/./ --log-queries"
)
# The engine mounts the container's list upon the file; a VPS has the file itself.
LIKE_A_VPS = "cp /etc/resolv.conf /run/provider && umount /etc/resolv.conf && cp /run/provider /etc/resolv.conf"
# What dhclient runs when the provider's server renews the lease, and names its resolver again.
RENEWED = (
    "env reason=RENEW interface=eth0 old_ip_address=192.0.2.1 new_ip_address=192.0.2.1"
    f" new_domain_name_servers={SILENT} /sbin/dhclient-script"
)


@pytest.fixture
def mine(target: Target, tmp_path: Path) -> Target:
    """A hardened host, and the world behind a card of it, with a resolver that knows every name."""
    install(target.host, "dnsmasq-base")
    attach(target.host, "wan0", "world", ["192.0.2.1/24"], [f"{ANSWERS}/24"])
    target.sh(f"systemd-run --quiet --unit=upstream {SERVER}; {LIKE_A_VPS}")
    return own(target, tmp_path)


def declare(target: Target, *addresses: str) -> None:
    """Declare the resolvers in the policy."""
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(resolvers=[*addresses]))


def looks_up(target: Target, name: str) -> bool:
    """Tell whether the host finds a name, having asked the resolver in the world."""
    found = target.sh(f"getent ahostsv4 {name} || true").split()
    return FOUND in found and f" {name} " in target.sh("journalctl -u upstream -o cat --no-pager")


def test_in_the_file(mine: Target) -> None:
    """They are asked when one of them answers; no DHCP client takes them away; the provider's come back."""
    install(mine.host, "isc-dhcp-client")
    provider = mine.sh("cat /etc/resolv.conf")
    declare(mine, SILENT)
    refused = mine.play(SITE, expect=2)
    assert f"{SILENT}: no answer to a DNS query from this host" in refused.text
    assert mine.sh("cat /etc/resolv.conf") == provider

    declare(mine, ANSWERS, SILENT)
    assert "would change /etc/resolv.conf" in mine.play(SITE, "--check").text
    assert not looks_up(mine, "before.example.net")
    assert f"the resolver {SILENT} does not answer" in mine.play(SITE).text
    assert looks_up(mine, "after.example.net")
    mine.sh(RENEWED)
    assert mine.play(SITE).changed == 0
    mine.sh(f"echo nameserver {SILENT} > /etc/resolv.conf")
    assert mine.play(SITE).changed == 1
    assert looks_up(mine, "mended.example.net")

    declare(mine)
    mine.play(SITE)
    assert mine.sh("cat /etc/resolv.conf") == provider
    mine.sh(RENEWED)
    assert SILENT in mine.sh("cat /etc/resolv.conf"), "dhclient writes it again"


def test_by_systemd_resolved(mine: Target) -> None:
    """Where systemd-resolved keeps the list, since a while or of late, it is told, and the link to it stays."""
    resolved = "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends {} systemd-resolved"
    mine.sh(resolved.format("--download-only"))
    declare(mine, ANSWERS)
    mine.play(SITE)
    mine.sh(resolved.format(""))
    link = mine.sh("readlink /etc/resolv.conf")
    mine.play(SITE)
    assert mine.sh("readlink /etc/resolv.conf") == link
    assert looks_up(mine, "after.example.net")
    assert mine.play(SITE).changed == 0
    declare(mine)
    mine.play(SITE)
    assert not looks_up(mine, "later.example.net")
    assert mine.sh("readlink /etc/resolv.conf") == link


def test_another_keeper_is_refused(target: Target, tmp_path: Path) -> None:
    """Who would write over the list is named, with what to do, and nothing is changed."""
    mine = own(target, tmp_path)
    declare(mine, ANSWERS)
    assert "/etc/resolv.conf is mounted from outside" in mine.play(SITE, expect=2).text
    mine.sh(LIKE_A_VPS)
    advice = {"dhcpcd": "add the line `nohook resolv.conf` to /etc/dhcpcd.conf", "NetworkManager": "in its connections"}
    for program, words in advice.items():
        mine.sh(f"cp /bin/sleep /usr/local/sbin/{program}; systemd-run --quiet /usr/local/sbin/{program} 600")
        assert words in mine.play(SITE, expect=2).text
    mine.sh("mkdir -p /run/resolvconf; mv /etc/resolv.conf /run/resolvconf; ln -s /run/resolvconf/resolv.conf /etc/")
    witness = Witness(mine)
    assert "is a link to /run/resolvconf/resolv.conf" in mine.play(SITE, expect=2).text
    witness.assert_untouched()
