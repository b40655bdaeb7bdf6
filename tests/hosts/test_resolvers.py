"""Resolvers by policy, with a real one in a namespace of the host: a host is never left without one that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .starts import SITE, Witness, edit, own
from .traffic import as_account, eventually, install
from .upstream import ANSWERS, ANSWERS6, FOUND, LIKE_A_VPS, SILENT, declare, with_a_resolver

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

pytestmark = pytest.mark.slow

# What dhclient runs when the provider's server renews the lease, and names its resolver again.
RENEWED = (
    "env reason=RENEW interface=eth0 old_ip_address=192.0.2.1 new_ip_address=192.0.2.1"
    f" new_domain_name_servers={SILENT} /sbin/dhclient-script"
)


# Programs that write the list, which a provider may have installed: how each gets the silent resolver, how it gets it
# anew, and what makes it write again when it has been told nothing any more.
LEASE = "dhcpcd -4 --noarp --timeout 20 wan0"
CONNECTION = (
    "nmcli connection add type ethernet ifname wan0 con-name wan ipv4.method manual ipv4.addresses 192.0.2.1/24"
    f" ipv4.never-default yes ipv4.dns {SILENT} ipv6.method disabled"
)
AGAIN = "nmcli connection up wan"
WRITERS = {
    "dhcpcd-base": (LEASE, "dhcpcd --renew wan0", "dhcpcd --renew wan0"),
    "network-manager": (f"{CONNECTION} && {AGAIN}", AGAIN, "systemctl restart NetworkManager"),
}
# Asks whoever on the host may look up a name with an account of its own; tells which of them know it.
THROUGH_OTHERS = """
import json, socket, subprocess, sys
name, known = sys.argv[1], []
asked = {"method": "io.systemd.Resolve.ResolveHostname", "parameters": {"name": name, "family": 2}}
try:
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(5)
        door.connect("/run/systemd/resolve/io.systemd.Resolve")
        door.sendall(json.dumps(asked).encode() + bytes(1))
        known += ["varlink"] if b"addresses" in door.recv(65536) else []
except OSError:
    pass
bus = "/org/freedesktop/resolve1 org.freedesktop.resolve1.Manager ResolveHostname isit 0".split()
commands = {
    "bus": ["busctl", "--timeout=5", "call", "org.freedesktop.resolve1", *bus, name, "2", "0"],
    "library": ["getent", "ahostsv4", name],
}
known += [way for way, argv in commands.items() if not subprocess.run(argv, capture_output=True).returncode]
print("known by:", *known)
"""
NAME, UNDECLARED_NAME = "api.example.net", "secret.evil.example.net"
BUS = "BindPaths=/run/dbus/system_bus_socket"


@pytest.fixture
def mine(target: Target, tmp_path: Path) -> Target:
    """A hardened host, and the world behind a card of it, with a resolver that knows every name."""
    return with_a_resolver(target, tmp_path)


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


@pytest.mark.full
@pytest.mark.parametrize("package", WRITERS)
def test_another_writes_the_file(mine: Target, package: str) -> None:
    """A real DHCP client, or NetworkManager, leaves it alone, is not restarted for it, and has it again at the end."""
    install(mine.host, package)
    begin, again, released = WRITERS[package]
    mine.sh(begin)
    provided = f"grep -q 'nameserver {SILENT}' /etc/resolv.conf && echo yes || true"
    assert eventually(lambda: "yes" in mine.sh(provided)), mine.sh("cat /etc/resolv.conf")
    provider = mine.sh("cat /etc/resolv.conf")
    declare(mine, ANSWERS)
    mine.play(SITE)
    mine.sh(again)
    assert not eventually(lambda: "yes" in mine.sh(provided), seconds=2), "it was written over"
    assert looks_up(mine, "after.example.net")
    assert mine.play(SITE).changed == 0
    declare(mine)
    mine.play(SITE)
    assert mine.sh("cat /etc/resolv.conf") == provider
    mine.sh(f"echo > /etc/resolv.conf; {released}")
    assert eventually(lambda: "yes" in mine.sh(provided)), "it writes it again"


def test_ipv6(mine: Target) -> None:
    """One with an IPv6 address is proved and asked, and services reach their names by it."""
    declare(mine, ANSWERS6)
    mine.sh("id blog 2>/dev/null || useradd --system --user-group blog")
    service = {"name": "blog", "on": ["web"], "egress": [{"to": "api.example.net", "port": 443}]}
    edit(mine, "group_vars/all/services.yml", lambda data: data.update(services=[service]))
    mine.play(SITE)
    assert mine.sh("grep ^nameserver /etc/resolv.conf").split() == ["nameserver", ANSWERS6]
    assert looks_up(mine, "after.example.net")
    asked = mine.host.exec([*as_account("blog"), "getent", "ahostsv4", "api.example.net"], check=False)
    assert FOUND in asked.stdout
    assert FOUND in mine.sh("nft list table inet holdfast"), "the firewall has not heard of it"
    declare(mine, "2001:db8:9::99")
    assert "2001:db8:9::99: no answer to a DNS query" in mine.play(SITE, expect=2).text


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


def install_resolved(target: Target, *others: str) -> None:
    """Install systemd-resolved so that its clients reach it: D-Bus has read its policy before its account was there."""
    install(target.host, "systemd-resolved", *others)
    target.sh("systemctl reload dbus && systemctl restart systemd-resolved")


@pytest.mark.full
def test_networkmanager_tells_systemd_resolved_nothing(mine: Target) -> None:
    """What it had told is forgotten, it tells nothing more, and tells again when the policy names none."""
    install_resolved(mine, "network-manager")
    mine.sh(f"{CONNECTION} ipv4.dns-search '~.' && {AGAIN}")
    asked = "resolvectl dns wan0; resolvectl domain wan0"
    assert eventually(lambda: SILENT in mine.sh(asked)), mine.sh(asked)
    declare(mine, ANSWERS)
    mine.play(SITE)
    mine.sh(AGAIN)
    assert not eventually(lambda: SILENT in mine.sh(asked), seconds=2), "it tells systemd-resolved"
    assert looks_up(mine, "after.example.net")
    assert mine.play(SITE).changed == 0
    declare(mine)
    mine.play(SITE)
    assert eventually(lambda: SILENT in mine.sh(asked)), "it says nothing any more"


@pytest.mark.full
def test_systemd_resolved_beside_the_file(mine: Target) -> None:
    """Where the C library asks systemd-resolved though the list is a plain file, it asks the declared ones, too."""
    install_resolved(mine, "libnss-resolve")
    mine.sh(f"rm /etc/resolv.conf; echo nameserver {SILENT} > /etc/resolv.conf; resolvectl dns wan0 {SILENT}")
    mine.sh(
        "mkdir -p /etc/systemd/resolved.conf.d; cd /etc/systemd/resolved.conf.d; "
        f"printf '[Resolve]\\nDNS={SILENT}\\n' > 90-provider.conf; systemctl restart systemd-resolved"
    )
    declare(mine, ANSWERS)
    mine.play(SITE)
    assert mine.sh("resolvectl dns | sed -n 's/^Global: *//p'").strip() == ANSWERS
    assert looks_up(mine, "after.example.net")
    assert mine.play(SITE).changed == 0
    declare(mine)
    mine.play(SITE)
    assert ANSWERS not in mine.sh("resolvectl dns; cat /etc/resolv.conf")


def known_by(target: Target, name: str, *, sandbox: bool = True) -> list[str]:
    """Tell who on the host answers the account of notes: in the sandbox of its running part, or beside it."""
    unit = "systemctl show -P MainPID $(systemctl list-units --plain --no-legend 'notes-web@*' | cut -d' ' -f1)"
    into = ["nsenter", "-m", "-t", target.sh(unit).strip()] if sandbox else []
    command = [*into, *as_account("notes"), "python3", "-", name]
    return target.host.exec(command, stdin=THROUGH_OTHERS.encode()).stdout.partition("known by:")[2].split()


def test_no_service_asks_through_another(mine: Target) -> None:
    """In its sandbox neither systemd-resolved nor nscd answers a service, installed or restarted since it started.

    A declared name it finds by its own resolver, past nss-resolve; the bus it has when it says that it needs it.
    """
    egress = [{"to": NAME, "port": 443}]
    edit(mine, "group_vars/all/services.yml", lambda data: data["services"][1].update(egress=egress))
    mine.play(SITE)
    install_resolved(mine, "libnss-resolve", "nscd")
    declare(mine, ANSWERS)
    mine.play(SITE)
    assert known_by(mine, "beside." + UNDECLARED_NAME, sandbox=False) == ["varlink", "bus", "library"]
    for restarted in ("true", "systemctl restart systemd-resolved nscd", "systemctl restart 'notes-web@*'"):
        mine.sh(restarted)
        assert known_by(mine, UNDECLARED_NAME) == [], restarted
        assert known_by(mine, NAME) == ["library"], restarted
    assert UNDECLARED_NAME not in mine.sh("journalctl -u upstream -o cat --no-pager | grep -v beside"), "it went out"
    assert FOUND in mine.sh("nft list table inet holdfast"), "the firewall has not heard of it"
    one_off = f"python3 - {UNDECLARED_NAME} <<'END'\n{THROUGH_OTHERS}\nEND\n"
    program = ["/usr/bin/python3", "-IS", "/usr/local/lib/holdfast/services", "run", "notes"]
    assert mine.host.exec(program, stdin=one_off.encode()).stdout.split() == ["known", "by:"]

    needs = [{"directive": BUS, "reason": "its units are shown by it"}]
    edit(mine, "group_vars/all/services.yml", lambda data: data["services"][1].update(needs=needs))
    mine.play(SITE)
    assert known_by(mine, UNDECLARED_NAME) == ["bus"]
    assert mine.play(SITE).changed == 0


def test_another_keeper_is_refused(target: Target, tmp_path: Path) -> None:
    """Who would write over the list is named, with what to do, and nothing is changed."""
    mine = own(target, tmp_path)
    declare(mine, ANSWERS)
    assert "/etc/resolv.conf is mounted from outside" in mine.play(SITE, expect=2).text
    mine.sh(LIKE_A_VPS)
    mine.sh("mkdir -p /usr/lib/dhcpcd; touch /usr/lib/dhcpcd/dhcpcd-run-hooks; echo : > /etc/dhcpcd.enter-hook")
    assert "add the line `nohook resolv.conf` to /etc/dhcpcd.conf" in mine.play(SITE, expect=2).text
    uplinks = "/run/systemd/resolve/resolv.conf"
    mine.sh(f"mkdir -p /run/systemd/resolve; cp /etc/resolv.conf {uplinks}; ln -sf {uplinks} /etc/resolv.conf")
    assert "stub-resolv.conf /etc/resolv.conf" in mine.play(SITE, expect=2).text
    mine.sh("rm /etc/resolv.conf; cp /run/systemd/resolve/resolv.conf /etc")
    mine.sh("mkdir -p /run/resolvconf; mv /etc/resolv.conf /run/resolvconf; ln -s /run/resolvconf/resolv.conf /etc/")
    witness = Witness(mine)
    assert "is a link to /run/resolvconf/resolv.conf" in mine.play(SITE, expect=2).text
    witness.assert_untouched()
