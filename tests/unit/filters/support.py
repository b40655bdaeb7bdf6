"""What the tests of filters share: the filters by name, the schema, and an inventory without mistakes."""

from __future__ import annotations

import base64
import struct
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests import loading

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
TODAY = "2026-12-01"
SEEN = {"by": "bob", "on": "2026-11-02"}


def load(name: str) -> Callable[..., Any]:
    """Return a filter as Ansible finds it: by its file."""
    module = loading.load(ROOT / "filter_plugins" / f"{name}.py", f"filter_{name}")
    found: Callable[..., Any] = module.FilterModule().filters()[name]
    return found


FILTERS = {path.stem: load(path.stem) for path in sorted((ROOT / "filter_plugins").glob("*.py"))}
SCHEMA = yaml.safe_load((ROOT / "roles/preflight/files/schema.yml").read_text())


def wire(*fields: bytes) -> str:
    """Return fields in SSH's wire form, as base64."""
    return base64.b64encode(b"".join(struct.pack(">I", len(field)) + field for field in fields)).decode()


def ed25519(seed: int) -> str:
    """Return a public key that nobody has the private half of."""
    return f"ssh-ed25519 {wire(b'ssh-ed25519', bytes([seed]) * 32)}"


def rsa(bits: int) -> str:
    """Return an RSA key of that length."""
    modulus = bytes([0]) + (1 << (bits - 1)).to_bytes(bits // 8, "big")
    return f"ssh-rsa {wire(b'ssh-rsa', bytes([1, 0, 1]), modulus)}"


def good() -> dict[str, Any]:
    """Return an environment of four hosts without mistakes."""
    hosts: dict[str, Any] = {
        name: {
            "address": f"203.0.113.{number}",
            "console": "rescue",
            "networks": [
                {"name": "public", "interface": "eth0"},
                {"name": "backend", "interface": "eth1", "address": [f"10.0.0.{number}", f"fd00::{number}"]},
            ],
        }
        for number, name in enumerate(["bastion", "db1", "lb1", "web1", "web2"], 11)
    }
    hosts["db1"]["ssh"] = {"port": 2222, "jump": "bastion", "sources": ["bastion"]}
    every = {"on": ["all"], "verified": SEEN}
    environment: dict[str, Any] = {
        "people": [
            {
                "name": "alice",
                "until": "2027-06-30",
                "sudo": "password",
                "from": ["198.51.100.0/24"],
                "keys": [{"name": "a", "key": ed25519(1), "verified": SEEN}],
                "rights": [{"admin": True, **every}, {"jump": True, "on": ["bastion"], "verified": SEEN}],
            },
            {
                "name": "bob",
                "until": "2027-06-30",
                "keys": [{"name": "b", "key": ed25519(2), "verified": {"by": "alice", "on": "2026-11-02"}}],
                "rights": [
                    {"forward": ["db1:5432"], "on": ["bastion"], "verified": {"by": "alice", "on": "2026-11-02"}}
                ],
            },
            {
                "name": "ci",
                "kind": "automation",
                "owner": "alice",
                "until": "2028-01-01",
                "keys": [{"name": "c", "key": ed25519(3), "verified": SEEN}],
                "rights": [{"deploy": ["blog"], "on": ["web"], "verified": SEEN}],
            },
        ],
        "services": [
            {
                "name": "blog",
                "on": ["web"],
                "edge": {"on": ["edge"], "domains": ["blog.example.org"]},
                "listen": [{"port": 8001, "network": "backend", "from": ["edge"]}],
            },
            {"name": "dns", "on": ["lb1"], "listen": [{"port": 53, "proto": "udp"}]},
        ],
        "policy": {},
        "hosts": hosts,
        "groups": {
            "all": sorted(hosts),
            "web": ["web1", "web2"],
            "data": ["db1"],
            "edge": ["lb1"],
            "ungrouped": ["bastion"],
        },
        "variables": {name: ["host", "inventory_hostname"] for name in hosts},
    }
    return deepcopy(environment)  # no two places share an object
