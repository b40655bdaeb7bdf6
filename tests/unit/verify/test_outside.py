"""Which addresses of a host are looked at from outside, and what counts as answered there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from verify.expected import Catalogue, Expected
from verify.outcome import NotApplicable
from verify.outside import Outside
from verify.ports import heard, undeclared, wanted
from verify.target import Target

if TYPE_CHECKING:
    from pathlib import Path

V4, V6 = "192.88.98.1", "2a00:1450::1"  # public ones: what is set aside for documentation is not


def looked_at(tmp_path: Path, declared: str, *present: str, prefix: str = "") -> Target:
    """A host at ``declared`` whose card has the addresses ``present``."""
    host = {
        "address": declared,
        "ssh": {"port": 22},
        "groups": ["web"],
        "networks": [{"name": "public", "interface": "eth0"}, {"name": "inner", "interface": "eth1"}],
    }
    blog = {"name": "blog", "hosts": ["h"], "listen": [{"port": 53, "proto": "udp", "from": ["198.51.100.0/24"]}]}
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps({"people": [], "services": [blog], "policy": {}, "hosts": {"h": host}}))
    expected = Expected(Catalogue.read(path), "h")
    outside = Outside(expected, prefix, "/dev/null", None)
    cards = {"eth0": present, "eth1": ("10.0.0.1",), "docker0": ("172.17.0.1",)}
    outside.inside = lambda: {
        "addresses": [
            {
                "ifname": name,
                "addr_info": [
                    {"family": "inet6" if ":" in one else "inet", "scope": "global", "local": one} for one in addresses
                ],
            }
            for name, addresses in cards.items()
        ]
    }
    return Target(expected, None, outside)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "present", "wanted"),
    [
        (V6, (V6,), {6: V6}),
        (V4, (V4,), {4: V4}),
        (V4, (V4, "fd00::2", V6), {4: V4, 6: V6}),
        (V6, ("100.64.0.7", V6), {6: V6}),
        (V4, ("10.1.0.7",), {4: V4}),
        ("10.1.0.7", ("10.1.0.7", "fd00::2"), {4: "10.1.0.7", 6: "fd00::2"}),
        ("10.1.0.7", ("10.1.0.7", V6), {4: "10.1.0.7", 6: V6}),
    ],
    ids=["IPv6 only", "IPv4 only", "both", "private IPv4 out", "translated", "all private", "declared private"],
)
def test_addresses(tmp_path: Path, declared: str, present: tuple[str, ...], wanted: dict[int, str]) -> None:
    assert looked_at(tmp_path, declared, *present).outside.addresses == wanted


def answer(source: str = "198.51.100.9", error: str = "", **found: str) -> dict[str, Any]:
    return {"found": {port.removeprefix("p"): how for port, how in found.items()}, "source": source, "error": error}


def test_an_open_port_is_held_against_its_sources(tmp_path: Path) -> None:
    target = looked_at(tmp_path, "192.0.2.7")
    assert undeclared(target, "udp", 4, answer(p53="open")) == []
    assert "not declared for" in undeclared(target, "udp", 4, answer("203.0.113.9", p53="open"))[0]
    assert "nobody declared" in undeclared(target, "udp", 4, answer(p161="refused"))[0]
    assert [one.port for one in wanted(target, "udp", answer())] == [53]
    with pytest.raises(NotApplicable, match=r"203\.0\.113\.9"):
        wanted(target, "udp", answer("203.0.113.9"))


def test_a_family_that_this_side_has_not(tmp_path: Path) -> None:
    lost = {4: answer(), 6: answer(error="[Errno 101] Network is unreachable")}
    with pytest.raises(NotApplicable, match="from here"):
        heard(looked_at(tmp_path, V4, V6), 6, lost)
    with pytest.raises(NotApplicable, match="no public IPv4"):
        heard(looked_at(tmp_path, V6, V6), 4, {6: answer()})
    with pytest.raises(AssertionError, match="unreachable"):  # the outsider was promised to have it
        heard(looked_at(tmp_path, V4, V6, prefix="docker exec -i x"), 6, lost)
    with pytest.raises(AssertionError, match="unreachable"):  # nothing at all would be proved
        heard(looked_at(tmp_path, V6, V6), 6, {6: lost[6]})
