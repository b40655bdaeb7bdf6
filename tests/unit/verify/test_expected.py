"""What a host owes, computed from a resolved inventory."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from verify.expected import Catalogue, CatalogueError, Expected, admits

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 24)


def person(name: str, until: str, *kinds: str, on: tuple[str, ...] = ("web1",), **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "until": until,
        "keys": [{"fingerprint": f"SHA256:{name}"}],
        "rights": [{"kind": kind, "value": True, "on": list(on)} for kind in kinds],
        **more,
    }


@pytest.fixture
def expected(tmp_path: Path) -> Expected:
    data = {
        "operator": "alice",
        "policy": {"access": {"keep_accounts": ["legacy"]}, "ssh": {}},
        "people": [
            person("alice", "2027-01-01", "admin", sudo="password"),
            person("bob", "2026-11-24", "login"),
            person("carol", "2026-11-23", "admin"),
            person("dave", "2027-01-01", "admin", on=("db1",)),
        ],
        "services": [
            {
                "name": "blog",
                "hosts": ["web1"],
                "listen": [{"port": 8001, "network": "backend", "from": ["db"]}, {"port": 51820, "proto": "udp"}],
            },
            {"name": "shop", "hosts": ["db1"], "edge": {"hosts": ["web1"]}, "listen": []},
        ],
        "hosts": {
            "web1": {
                "address": "203.0.113.1",
                "ssh": {"port": 2222, "sources": ["198.51.100.0/24"]},
                "console": "rescue",
                "groups": ["web"],
                "networks": [
                    {"name": "public", "interface": "eth0"},
                    {"name": "backend", "interface": "eth1", "addresses": ["10.0.0.1"]},
                ],
            },
            "db1": {
                "address": "db.example.org",
                "networks": [{"name": "backend", "interface": "eth1", "addresses": ["10.0.0.2"]}],
                "groups": ["db"],
            },
        },
    }
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(data))
    return Expected(Catalogue.read(path), "web1", TODAY)


def test_people(expected: Expected) -> None:
    assert expected.ssh_users == ["alice", "bob"]  # bob's last day is today
    assert expected.admins == ["alice"]
    assert expected.sudoers == ["alice", "rescue"]
    assert expected.passwords == ["alice", "rescue"]
    assert expected.accounts == ["alice", "bob", "legacy", "rescue"]
    assert [one["name"] for one in expected.expired] == ["carol"]
    assert expected.fingerprints("alice") == {"SHA256:alice"}
    assert expected.fingerprints("carol") == set()


def test_doors(expected: Expected) -> None:
    assert {(one.name, one.network) for one in expected.listens} == {
        ("2222/tcp", "public"),
        ("8001/tcp", "backend"),
        ("51820/udp", "public"),
        ("80/tcp", "public"),
        ("443/tcp", "public"),
    }
    assert {one.port for one in expected.public("tcp")} == {2222, 80, 443}
    assert expected.declared("tcp", 8001)[0].sources == ("10.0.0.2",)
    assert expected.inner_interfaces == {"eth1": "backend"}


def test_services_whose_release_is_not_here_are_named(expected: Expected) -> None:
    data = expected.catalogue.data
    data["services"][0]["release"] = data["services"][1]["release"] = {"path": "dist"}
    assert expected.unread_releases == ["blog"], "shop runs on another host"
    data["releases"] = {"blog": {"id": "0f1e2d"}}
    assert expected.unread_releases == []


@pytest.mark.parametrize(
    ("sources", "address", "wanted"),
    [
        (("any",), "192.0.2.1", True),
        (("198.51.100.0/24",), "198.51.100.9", True),
        (("198.51.100.0/24",), "192.0.2.1", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "192.0.2.1", False),
        (("any",), "", False),
    ],
)
def test_sources(sources: tuple[str, ...], address: str, wanted: bool) -> None:
    assert admits(sources, address) is wanted


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"people": [], "hosts": {}}'])
def test_what_is_no_inventory_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "resolved.json"
    path.write_text(text)
    with pytest.raises(CatalogueError):
        Catalogue.read(path)
