"""Rules of other programs outlive everything that happens to ours, and ours are back after a boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .starts import SITE, edit, own
from .traffic import PORT, ask, serve

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

pytestmark = pytest.mark.slow

# As fail2ban does it: a set of addresses that a chain of its own refuses, before anybody else's chain.
BANS = """
table inet f2b-table {
    set addr-set-page {
        type ipv4_addr
        flags timeout
        elements = { %s timeout 1h, 192.0.2.7 timeout 2h }
    }
    chain f2b-chain {
        type filter hook input priority filter - 1; policy accept;
        tcp dport %d ip saddr @addr-set-page reject with icmp port-unreachable
    }
}
table ip other {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 192.0.2.0/24 counter masquerade
    }
}
"""
UNDECLARED = PORT + 1
UNIT = "holdfast-firewall"


def test_bans_of_another_program(target: Target, tmp_path: Path) -> None:
    """A banned address stays banned, others get in: after a run with new rules, a reload, a stop and a start."""
    mine = own(target, tmp_path)
    host = target.host
    banned, other = (host.lab.start(name, host.release) for name in ("banned", "other"))
    serve(host)
    serve(host, UNDECLARED)
    host.exec(["nft", "-f", "-"], stdin=(BANS % (banned.address, PORT)).encode())
    planted = others(target)
    assert "f2b-table" in planted
    assert "masquerade" in planted

    page = {"name": "page", "on": ["web"], "listen": [{"port": PORT}]}
    edit(mine, "group_vars/all/services.yml", lambda data: data["services"].append(page))
    assert ask(other, [host.address]) == [None], "the port is open before it is declared"
    assert mine.play(SITE).changed
    for happens in ("true", f"systemctl reload {UNIT}", f"systemctl stop {UNIT}", f"systemctl start {UNIT}"):
        target.sh(happens)
        assert others(target) == planted, happens
        assert ask(banned, [host.address]) == [None], happens
        assert ask(other, [host.address]) == [other.address], happens
        assert ask(other, [host.address], UNDECLARED) == [None], happens

    host.restart(hard=True)
    assert "f2b-table" not in others(target), "this boot kept the rules of the last one"
    serve(host)
    serve(host, UNDECLARED)
    assert ask(other, [host.address]) == [other.address]
    assert ask(other, [host.address], UNDECLARED) == [None]
    for stranger in (banned, other):
        stranger.stop()


def others(target: Target) -> str:
    """Return the rules of all tables but ours, with the elements of sets, without counters and remaining times."""
    return target.sh(
        "nft list tables | grep -v holdfast | sort | while read -r _ table; do nft --stateless list table $table; done"
    )
