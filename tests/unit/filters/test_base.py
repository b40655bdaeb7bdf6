"""What may be on a host, and what has to be installed."""

from __future__ import annotations

from typing import Any

from tests.unit.filters.support import FILTERS, SCHEMA, good

TIME = ["systemd-timesyncd", "chrony"]
DEBIAN: dict[str, Any] = {
    "plain": {"packages": ["vim*"], "units": ["cron.service"], "setuid": ["/usr/bin/su"]},
    "docker": {"packages": ["docker*"]},
    "postgresql": {"packages": ["postgresql*"], "units": ["postgresql*"]},
}


def allowed(raw: dict[str, Any], host: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = FILTERS["allowed"](FILTERS["catalogue"](raw, SCHEMA), host, DEBIAN, ["nftables"])
    return found


def test_one_time_service_is_enough() -> None:
    assert FILTERS["to_install"](["sudo", *TIME], [TIME]) == ["sudo", "systemd-timesyncd"]
    assert FILTERS["to_install"](["systemd-timesyncd", "sudo"], [TIME]) == ["sudo"]
    assert FILTERS["to_install"](["chrony"], [TIME]) == []


def test_each_host_may_have_what_its_declarations_bring() -> None:
    raw = good()
    first, second = sorted(raw["hosts"])[:2]
    raw["hosts"][first]["forwards"] = "docker"
    raw["policy"]["base"] = {"packages": ["tmux"], "units": ["own.timer"], "setuid": ["/usr/bin/fping"]}
    raw["services"] = [
        {"name": "blog", "on": [first], "database": {"kind": "postgresql", "on": [second]}},
        {"name": "shop", "on": [second]},
    ]
    assert allowed(raw, first) == {
        "packages": ["docker*", "nftables", "tmux", "vim*"],
        "units": ["blog-*@*", "cron.service", "own.timer"],
        "setuid": ["/usr/bin/fping", "/usr/bin/su"],
    }
    assert allowed(raw, second) == {
        "packages": ["nftables", "postgresql*", "tmux", "vim*"],
        "units": ["cron.service", "own.timer", "postgresql*", "shop-*@*"],
        "setuid": ["/usr/bin/fping", "/usr/bin/su"],
    }
