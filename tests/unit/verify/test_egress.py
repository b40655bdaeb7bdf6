"""Live rules are held against what a service declares."""

from __future__ import annotations

from typing import Any

import pytest

from verify.egress import Reach, declared, held, problems
from verify.expected import Catalogue, Expected
from verify.nft import Ruleset

BLOG = {
    "name": "blog",
    "hosts": ["web1"],
    "listen": [{"port": 8001, "proto": "tcp"}],
    "egress": [
        {"to": "data", "port": 5432, "proto": "tcp"},
        {"to": "web1", "port": 25, "proto": "tcp"},
        {"to": "search", "port": 9200, "proto": "tcp"},
        {"to": "198.51.100.0/24", "port": 53, "proto": "udp"},
        {"to": "api.example.net", "port": 443, "proto": "tcp"},
    ],
}
HOSTS = {
    "web1": {"address": "203.0.113.1", "networks": [], "groups": []},
    "db1": {"address": "203.0.113.2", "networks": [{"name": "b", "addresses": ["fd00::2"]}], "groups": ["data"]},
}
ACCEPT: dict[str, Any] = {"accept": None}
REFUSE: list[dict[str, Any]] = [{"goto": {"target": "refuse"}}]
PREFIX = {"prefix": {"addr": "169.254.0.0", "len": 16}}
UID = 990


def match(left: str, right: Any) -> dict[str, Any]:
    kind, _, key = left.partition(" ")
    side, _, word = key.rpartition(" ")
    named = (
        {kind: {"key": word, **({"dir": side} if side else {})}}
        if kind in ("meta", "ct")
        else {"payload": {"protocol": kind, "field": key}}
    )
    return {"match": {"op": "==", "left": named, "right": right}}


def asked(proto: str | int, port: int) -> list[dict[str, Any]]:
    """Return matches for what a service asks for on the host itself."""
    return [match("meta oif", "lo"), match("meta l4proto", proto), match("ct original proto-dst", port)]


CLOSED = [[match("ip daddr", "@metadata"), *REFUSE], [match("meta oif", "lo"), *REFUSE]]


def ruleset(*held_to: list[dict[str, Any]], before: list[list[dict[str, Any]]] | None = None) -> Ruleset:
    """Return a table whose output chain leads one account to these rules."""
    told = [{"vmap": {"key": {"meta": {"key": "skuid"}}, "data": {"set": [[UID, {"goto": {"target": "blog"}}]]}}}]
    chains = {"output": [*(before or []), told], "blog": held_to, "refuse": [[{"reject": None}]]}
    place = {"family": "inet", "table": "t"}
    rules = [{"rule": {**place, "chain": name, "expr": e}} for name, listed in chains.items() for e in listed]
    base = {"chain": {**place, "name": "output", "hook": "output", "type": "filter", "policy": "accept"}}
    names = [
        {"set": {**place, "name": "to4", "timeout": 60}},
        {"set": {**place, "name": "fixed", "elem": ["192.0.2.9"]}},
        {"set": {**place, "name": "metadata", "elem": ["100.100.100.200", PREFIX]}},
    ]
    return Ruleset({"nftables": [base, *names, *rules]})


def judged(*held_to: list[dict[str, Any]], blog: Any = BLOG, others: Any = ({"name": "search"},)) -> list[str]:
    """Return what is wrong with these rules for the blog."""
    data = {"people": [], "services": [blog, *others], "policy": {}, "hosts": HOSTS}
    rules = ruleset(*held_to)
    met = held(rules, UID)
    assert met is not None
    return problems(rules, met[1], declared(Expected(Catalogue(data, "", ""), "web1"), blog), {530})


@pytest.mark.parametrize(
    "rule",
    [
        [match("ct state", "established"), match("ct direction", "reply")],
        [match("ct state", "established"), match("ct mark", 7)],
        asked("tcp", 8001),
        asked(6, 8001),
        asked("tcp", 25),
        asked("tcp", 9200),
        [match("ip daddr", "203.0.113.2"), match("tcp dport", 5432)],
        [match("ip6 daddr", "fd00::2"), match("tcp dport", 5432)],
        [match("ip daddr", {"prefix": {"addr": "198.51.100.0", "len": 24}}), match("udp dport", 53)],
        [match("ip daddr", "@to4"), match("tcp dport", 443)],
        [match("ip daddr", "127.0.0.1"), match("th dport", 530)],
    ],
)
def test_what_is_declared_may_be_let_out(rule: list[dict[str, Any]]) -> None:
    assert judged(*CLOSED, [*rule, ACCEPT], REFUSE) == []


@pytest.mark.parametrize(
    "rule",
    [
        [],
        [match("ct state", "established")],
        [match("meta oif", "lo")],
        [match("meta oif", "lo"), match("tcp dport", 9200)],
        asked("tcp", 9201),
        asked("udp", 9200),
        asked(17, 9200),
        [match("ip daddr", "203.0.113.2")],
        [match("ip daddr", "203.0.113.3"), match("tcp dport", 5432)],
        [match("ip daddr", "203.0.113.2"), match("tcp dport", {"range": [1, 65535]})],
        [match("ip daddr", {"prefix": {"addr": "198.51.0.0", "len": 16}}), match("udp dport", 53)],
        [match("ip daddr", "@fixed"), match("tcp dport", 443)],
        [match("ip daddr", "@to4"), match("tcp dport", 444)],
        [match("ip daddr", "127.0.0.1"), match("th dport", 531)],
    ],
)
def test_what_is_not_declared_may_not(rule: list[dict[str, Any]]) -> None:
    assert len(judged(*CLOSED, [*rule, ACCEPT], REFUSE)) == 1


ANSWER = [match("ct state", "established"), match("ct direction", "reply"), ACCEPT]


def silent(*ports: tuple[str | int, int], direction: str = "reply") -> list[dict[str, Any]]:
    """Return a rule by which nobody answers from these ports."""
    sides = [{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "sport"}}]
    rows: list[dict[str, Any]] = [{"concat": [proto, port]} for proto, port in ports]
    right = {"set": rows} if len(rows) > 1 else rows[0]
    from_them = {"match": {"op": "==", "left": {"concat": sides}, "right": right}}
    return [match("ct direction", direction), from_them, *REFUSE]


def test_nobody_answers_from_the_port_of_another() -> None:
    """9200 is what the blog says of search, 8001 the blog's own; web1's 25 is reached by the blog alone."""
    search = {"name": "search", "hosts": ["web1"], "listen": [{"port": 53, "proto": "udp"}]}
    says = "answers from another's port"
    both = [f"{says} 9200/tcp", f"{says} 53/udp"]
    rest = [*CLOSED, REFUSE]
    assert judged(ANSWER, *rest, others=[search]) == both
    assert judged(ANSWER, silent(("tcp", 9200), ("udp", 53)), *rest, others=[search]) == both, "it comes too late"
    assert judged(silent(("tcp", 9200)), ANSWER, *rest, others=[search]) == both[1:]
    assert judged(silent((6, 9200), (17, 53)), ANSWER, *rest, others=[search]) == []
    assert judged(silent(("tcp", 9200), direction="original"), ANSWER, *rest, others=[search]) == both
    assert judged(ANSWER, *rest, blog=search, others=[BLOG]) == [f"{says} 25/tcp", f"{says} 8001/tcp"]


def test_the_host_itself_and_metadata_are_closed_before_addresses_are_let_out() -> None:
    rule = [match("ip daddr", "203.0.113.2"), match("tcp dport", 5432), ACCEPT]
    assert judged(CLOSED[0], rule, REFUSE) == ["lets out to the host itself"]
    assert judged(rule, *CLOSED, REFUSE) == ["lets out to the host itself", "lets out to the cloud's metadata"]


def test_what_no_rule_names_is_refused() -> None:
    for last in ([], [[match("meta oif", "lo"), {"drop": None}]], [[{"goto": {"target": "nowhere"}}]]):
        assert judged(*last) == ["lets out what no rule names"]


def test_who_is_held() -> None:
    rules = ruleset(REFUSE, before=[[ACCEPT]])
    assert held(rules, UID + 1) is None
    met = held(rules, UID)
    assert met is not None
    assert [rule["expr"] for rule in met[0]] == [[ACCEPT]]
    assert problems(rules, met[1], Reach(), set()) == []
