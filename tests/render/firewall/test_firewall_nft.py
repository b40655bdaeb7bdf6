"""The nftables table, rendered without a host: what is open, and what is not."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.render.role_template import ROOT, render, statements

RULES: list[dict[str, Any]] = [
    {"port": 443, "proto": "tcp", "interface": None, "public": True, "sources": [], "reason": "service blog"},
    {"port": 5432, "proto": "tcp", "interface": "eth1", "sources": ["10.0.0.0/8", "fd00::/64"], "reason": "db"},
    {"port": 51820, "proto": "udp", "reason": 'a "quoted"\nreason'},
]

EGRESS: list[dict[str, Any]] = [
    {"service": "quiet", "names": [], "rules": []},
    {
        "service": "blog",
        "names": ["api.example.net"],
        "rules": [
            {"kind": "loopback", "to": "", "port": 9200, "proto": "tcp", "mark": 1, "reason": "blog to loopback"},
            {
                "kind": "network",
                "to": "fd00::/64",
                "port": 53,
                "proto": "udp",
                "mark": 2,
                "reason": "blog to fd00::/64",
            },
            {"kind": "name", "to": "api.example.net", "port": 443, "proto": "tcp", "mark": 3, "reason": "blog to api"},
        ],
    },
]


def table(**variables: Any) -> str:
    """Render the table; SSH on 22 unless told."""
    return render("firewall", "firewall.nft.j2", **{"firewall__ssh_ports": [22], "firewall_rules": RULES, **variables})


def chain(text: str, name: str) -> list[str]:
    """Return the statements of one chain."""
    lines = statements(text)
    start = lines.index(f"chain {name} {{") + 1
    return lines[start : lines.index("}", start)]


@pytest.mark.parametrize("forwards", ["none", "docker", "wireguard", "router"])
def test_only_our_own_table_is_touched(forwards: str) -> None:
    lines = statements(table(firewall_forwards=forwards, firewall_private_interfaces=["eth1"]))
    assert lines[:3] == ["add table inet holdfast", "delete table inet holdfast", "table inet holdfast {"]
    assert not [line for line in lines if "flush" in line]
    assert sum("table " in line for line in lines) == 3


def test_default_deny_and_what_ipv6_needs() -> None:
    lines = chain(table(), "input")
    assert lines[0] == "type filter hook input priority filter; policy drop;"
    assert lines[-1] == "goto refuse"
    text = "\n".join(lines)
    for wanted in ("nd-neighbor-solicit", "packet-too-big", "mld2-listener-report", "udp dport 68", "udp dport 546"):
        assert wanted in text
    for first in ("nd-neighbor-solicit", "icmp type { destination-unreachable", "packet-too-big"):
        assert text.index(first) < text.index("ct state invalid"), "conntrack takes it for invalid"


def test_drops_are_logged_up_to_the_limit_or_not_at_all() -> None:
    limit = 'limit rate 7/minute burst 7 packets log prefix "holdfast-drop "'
    assert chain(table(firewall_log_per_minute=7), "refuse") == [limit, "counter drop"]
    assert chain(table(firewall_log_per_minute=0), "refuse") == ["counter drop"]


def test_declared_rules_and_no_others() -> None:
    assert chain(table(), "declared") == [
        'tcp dport 443 accept comment "service blog 443/tcp"',
        'iifname "eth1" ip saddr 10.0.0.0/8 tcp dport 5432 accept comment "db 5432/tcp"',
        'iifname "eth1" ip6 saddr fd00::/64 tcp dport 5432 accept comment "db 5432/tcp"',
        'udp dport 51820 accept comment "a ?quoted??reason 51820/udp"',
    ]
    assert chain(table(firewall_rules=[]), "declared") == []


def test_ssh_from_its_sources_on_every_port_of_a_change() -> None:
    lines = chain(
        table(firewall__ssh_ports=[2222, 22], firewall_ssh_sources=["192.0.2.0/24", "2001:db8::/32"]), "input"
    )
    assert [line for line in lines if "goto ssh" in line] == [
        'ip saddr 192.0.2.0/24 tcp dport 2222 ct state new goto ssh comment "SSH 2222/tcp"',
        'ip6 saddr 2001:db8::/32 tcp dport 2222 ct state new goto ssh comment "SSH 2222/tcp"',
        'ip saddr 192.0.2.0/24 tcp dport 22 ct state new goto ssh comment "SSH 22/tcp"',
        'ip6 saddr 2001:db8::/32 tcp dport 22 ct state new goto ssh comment "SSH 22/tcp"',
    ]


def test_trusted_sources_come_before_the_meter() -> None:
    text = table(firewall_trusted_sources=["198.51.100.0/24", "2001:db8:1::/48"], firewall_ssh_per_minute=7)
    assert "elements = { 198.51.100.0/24 }" in text
    assert "elements = { 2001:db8:1::/48 }" in text
    lines = chain(text, "ssh")
    assert lines[:2] == ["ip saddr @trusted4 accept", "ip6 saddr @trusted6 accept"]
    assert any("limit rate over 7/minute" in line for line in lines)
    assert "elements" not in table()


def test_nothing_is_passed_on_unless_declared() -> None:
    assert chain(table(), "forward") == ["type filter hook forward priority filter; policy drop;", "goto refuse"]
    assert "chain published" not in table()
    assert "masquerade" not in table()


def test_docker_publishes_declared_ports_only() -> None:
    text = table(firewall_forwards="docker")
    assert "ct status dnat jump published" in chain(text, "forward")
    assert chain(text, "published") == [
        "meta l4proto tcp ct original proto-dst 443 accept",
        'iifname "eth1" ip saddr 10.0.0.0/8 meta l4proto tcp ct original proto-dst 5432 accept',
        'iifname "eth1" ip6 saddr fd00::/64 meta l4proto tcp ct original proto-dst 5432 accept',
        "meta l4proto udp ct original proto-dst 51820 accept",
    ]
    assert "masquerade" not in text


def test_a_router_passes_on_from_its_private_cards_only() -> None:
    lines = chain(table(firewall_forwards="router", firewall_private_interfaces=["eth1"]), "forward")
    assert [line for line in lines if line.startswith("iifname")] == ['iifname "eth1" accept']
    vpn = chain(table(firewall_forwards="wireguard", firewall_private_interfaces=["eth1"]), "forward")
    assert [line for line in vpn if line.startswith("iifname")] == ['iifname "wg*" accept']


def test_the_unit_loads_before_the_network_and_removes_nothing() -> None:
    lines = statements(render("firewall", "holdfast-firewall.service.j2"))
    assert "DefaultDependencies=no" in lines
    assert any(line.startswith("Before=network-pre.target") for line in lines)
    assert "RemainAfterExit=yes" in lines
    assert not [line for line in lines if line.startswith("ExecStop")]


def test_forwarding_is_switched_on_and_never_off() -> None:
    lines = statements(
        render("firewall", "forwarding.conf.j2", firewall_forwards="router", firewall_public_interfaces=["eth0"])
    )
    assert "net.ipv4.ip_forward = 1" in lines
    assert "net.ipv6.conf.eth0.accept_ra = 2" in lines
    assert statements(render("firewall", "forwarding.conf.j2", firewall_forwards="docker")) == []


def test_a_service_is_held_to_what_it_declares() -> None:
    text = table(firewall_egress=EGRESS)
    closed = ["ip daddr @metadata4 goto refuse_egress", "ip6 daddr @metadata6 goto refuse_egress"]
    answers, nowhere = "ct state established ct direction reply accept", 'oif "lo" goto refuse_egress'
    assert chain(text, "egress_quiet") == [*closed, answers, nowhere, "goto refuse_egress"]
    assert chain(text, "egress_blog") == [
        *closed,
        answers,
        "ct state established ct mark { 1, 2, 3 } accept",
        'ip daddr 127.0.0.1 meta l4proto { tcp, udp } th dport 530 accept comment "blog to our resolver"',
        'ip6 daddr ::1 meta l4proto { tcp, udp } th dport 530 accept comment "blog to our resolver"',
        'oif "lo" meta l4proto tcp ct original proto-dst 9200 ct mark set 1 accept comment "blog to loopback"',
        nowhere,
        'ip6 daddr fd00::/64 udp dport 53 ct mark set 2 accept comment "blog to fd00::/64"',
        'ip daddr @to4_api.example.net tcp dport 443 ct mark set 3 accept comment "blog to api"',
        'ip6 daddr @to6_api.example.net tcp dport 443 ct mark set 3 accept comment "blog to api"',
        "goto refuse_egress",
    ]
    output = ["type filter hook output priority filter; policy accept;", "meta skuid @retired goto retire"]
    assert chain(text, "output") == output
    assert chain(text, "retire") == [answers, "goto refuse_egress"]
    assert chain(table(), "output") == output, "on a host without services some may be left of before"
    assert "type nat" not in table(firewall_egress=EGRESS[:1])


def test_a_service_answers_from_no_port_of_another() -> None:
    others = [{"proto": "tcp", "port": 8001}, {"proto": "udp", "port": 53}]
    lines = chain(table(firewall_egress=[{**EGRESS[0], "others": others}]), "egress_quiet")
    refused = "ct direction reply meta l4proto . th sport { tcp . 8001, udp . 53 } goto refuse_egress"
    assert lines.index(refused) < lines.index("ct state established ct direction reply accept")


def test_preflight_knows_what_the_firewall_closes() -> None:
    metadata = runpy.run_path(str(ROOT / "filter_plugins/egress_mistakes.py"))["METADATA"]
    text = table(firewall_egress=EGRESS)
    for network in metadata:
        assert network.removesuffix("/32").removesuffix("/128") in text


def test_the_resolver_answers_for_declared_names_alone() -> None:
    text = render("firewall", "resolver.conf.j2", firewall_egress=EGRESS, firewall_resolvers=["9.9.9.9"])
    lines = statements(text)
    assert {"no-resolv", "server=9.9.9.9", "server=/api.example.net/#", "address=/*.api.example.net/"} <= set(lines)
    others = next(line for line in lines if line.startswith("address=/*a/"))
    assert set(others.removeprefix("address=/").split("/*")) >= set("bcdefghijklmnopqrstuvwxyz012345678")
    assert "resolv-file=/etc/resolv.conf" in render("firewall", "resolver.conf.j2", firewall_egress=EGRESS)
