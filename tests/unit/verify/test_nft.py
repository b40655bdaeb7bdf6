"""A rule set is read for what it lets in."""

from __future__ import annotations

from typing import Any

import pytest

from verify.nft import Ruleset

BASE: list[dict[str, dict[str, Any]]] = [
    {"chain": {"family": "inet", "table": "t", "name": "input", "hook": "input", "policy": "drop"}},
    {"chain": {"family": "inet", "table": "t", "name": "below"}},
    {"set": {"family": "inet", "table": "t", "name": "doors", "elem": [22, {"range": [8000, 8001]}]}},
    {
        "map": {
            "family": "inet",
            "table": "t",
            "name": "verdicts",
            "elem": [[25, {"accept": None}], [26, {"drop": None}]],
        }
    },
]


def dport(value: Any, protocol: str = "tcp") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "dport"}}, "right": value}}


def meta(key: str, value: Any, kind: str = "meta") -> dict[str, Any]:
    return {"match": {"op": "==" if kind == "meta" else "in", "left": {kind: {"key": key}}, "right": value}}


def ruleset(*expressions: list[dict[str, Any]], chain: str = "input") -> Ruleset:
    return Ruleset(
        {
            "nftables": [
                *BASE,
                *({"rule": {"family": "inet", "table": "t", "chain": chain, "expr": list(one)}} for one in expressions),
            ]
        }
    )


ACCEPT: dict[str, Any] = {"accept": None}


@pytest.mark.parametrize(
    ("expression", "ports"),
    [
        ([dport(22), ACCEPT], {("tcp", 22, 22)}),
        ([dport({"set": [80, 443]}), ACCEPT], {("tcp", 80, 80), ("tcp", 443, 443)}),
        ([dport({"range": [1, 65535]}), ACCEPT], {("tcp", 1, 65535)}),
        ([dport("@doors", "udp"), ACCEPT], {("udp", 22, 22), ("udp", 8000, 8001)}),
        ([dport(53, "th"), ACCEPT], {("tcp", 53, 53), ("udp", 53, 53)}),
        (
            [{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@verdicts"}}],
            {("tcp", 25, 25)},
        ),
    ],
)
def test_ports(expression: list[dict[str, Any]], ports: set[tuple[str, int, int]]) -> None:
    (accept,) = ruleset(expression).accepts("input")
    assert accept.ports == ports
    assert not accept.harmless


@pytest.mark.parametrize(
    "expression",
    [
        [ACCEPT],
        [meta("iifname", "eth0"), ACCEPT],
        [meta("l4proto", "tcp"), ACCEPT],
        [meta("state", ["established", "new"], "ct"), ACCEPT],
    ],
)
def test_wide_rules_are_not_harmless(expression: list[dict[str, Any]]) -> None:
    (accept,) = ruleset(expression).accepts("input")
    assert not accept.ports
    assert not accept.harmless


@pytest.mark.parametrize(
    "expression",
    [
        [meta("iif", "lo"), ACCEPT],
        [meta("state", ["established", "related"], "ct"), ACCEPT],
        [meta("l4proto", {"set": ["icmp", "ipv6-icmp"]}), ACCEPT],
    ],
)
def test_harmless_rules(expression: list[dict[str, Any]]) -> None:
    assert ruleset(expression).accepts("input")[0].harmless


def test_what_leads_to_a_chain_counts() -> None:
    found = Ruleset(
        {
            "nftables": [
                *BASE,
                {
                    "rule": {
                        "family": "inet",
                        "table": "t",
                        "chain": "input",
                        "expr": [dport(22), {"jump": {"target": "below"}}],
                    }
                },
                {"rule": {"family": "inet", "table": "t", "chain": "below", "expr": [ACCEPT]}},
            ]
        }
    ).accepts("input")
    assert [one.ports for one in found] == [{("tcp", 22, 22)}]


def test_an_open_chain_is_not_closed() -> None:
    assert Ruleset({"nftables": [{"chain": {**BASE[0]["chain"], "policy": "accept"}}]}).closed("input") == []


def saddr(value: Any, protocol: str = "ip", op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": "saddr"}}, "right": value}}


@pytest.mark.parametrize(
    ("expression", "anybody"),
    [
        ([dport(22), ACCEPT], True),
        ([saddr("192.0.2.1"), dport(22), ACCEPT], False),
        ([saddr({"prefix": {"addr": "2001:db8::", "len": 32}}, "ip6"), dport(22), ACCEPT], False),
        ([saddr("192.0.2.1", op="!="), dport(22), ACCEPT], True),
    ],
)
def test_whether_a_rule_is_for_anybody(expression: list[dict[str, Any]], anybody: bool) -> None:
    assert [one.anybody for one in ruleset(expression).accepts("input")] == [anybody]
