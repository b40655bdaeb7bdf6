"""An inventory for lab hosts, with people of every kind. Its secrets are new each time."""

from __future__ import annotations

import datetime
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml
from passlib.hash import sha512_crypt

from lab.hosts import make_key
from lab.progress import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SAMPLE = Path(__file__).resolve().parents[1] / "examples/notes"
OPERATOR = "oper"
CONSOLE = "rescue"
# The unit that makes the host keys at a lab host's first boot.
DEFAULT_POLICY: dict[str, Any] = {"base": {"units": ["provider-first-boot.service"]}}


class Host(Protocol):
    """What the inventory needs to know of a host; LabHost has it."""

    name: str
    address: str


@dataclass(frozen=True)
class Inventory:
    """A written inventory.

    ``secrets`` maps a secret's name to its text (``alice_password``, ``rescue_password`` …); the same is in
    ``path/secrets.json``. ``keys`` maps a person (and ``stranger``, who is not declared) to a private key's path.
    """

    path: Path
    operator: str
    secrets: dict[str, str]
    keys: dict[str, Path]

    @property
    def arguments(self) -> list[str]:
        """Arguments of ansible-playbook that choose this inventory and its operator."""
        return ["-i", str(self.path), "-e", f"operator={self.operator}"]


def crypt(password: str) -> str:
    """Return a sha512 crypt hash. Few rounds: the passwords of a lab are random and short-lived."""
    return str(sha512_crypt.using(rounds=5000).hash(password))


def default_people(keys: Mapping[str, Path], today: datetime.date) -> list[dict[str, Any]]:
    """Return the people of a lab.

    oper (admin, sudo without a prompt), alice (admin, sudo with a password), bob (may log in, no more), expired (was an
    admin until yesterday) and ci-blog (automation that may deploy the service blog).
    """
    met = today - datetime.timedelta(days=30)
    year = today + datetime.timedelta(days=365)

    def verified(by: str) -> dict[str, Any]:
        return {"by": by, "on": met.isoformat()}

    def key(name: str, by: str) -> list[dict[str, Any]]:
        text = " ".join(keys[name].with_suffix(".pub").read_text(encoding="utf-8").split()[:2])
        return [{"name": "lab", "key": text, "verified": verified(by)}]

    def right(by: str, what: dict[str, Any], on: str = "all") -> list[dict[str, Any]]:
        return [{**what, "on": [on], "verified": verified(by)}]

    return [
        {
            "name": OPERATOR,
            "until": year.isoformat(),
            "keys": key(OPERATOR, "alice"),
            "sudo": "nopasswd",
            "rights": right("alice", {"admin": True}),
        },
        {
            "name": "alice",
            "until": year.isoformat(),
            "keys": key("alice", OPERATOR),
            "sudo": "password",
            "rights": right(OPERATOR, {"admin": True}),
        },
        {
            "name": "bob",
            "until": year.isoformat(),
            "keys": key("bob", OPERATOR),
            "rights": right(OPERATOR, {"login": True}),
        },
        {
            "name": "expired",
            "until": (today - datetime.timedelta(days=1)).isoformat(),
            "keys": key("expired", OPERATOR),
            "sudo": "nopasswd",
            "rights": right(OPERATOR, {"admin": True}),
        },
        {
            "name": "ci-blog",
            "kind": "automation",
            "owner": "alice",
            "until": year.isoformat(),
            "keys": key("ci-blog", OPERATOR),
            "rights": right(OPERATOR, {"deploy": ["blog"]}, "web"),
        },
    ]


def default_services() -> list[dict[str, Any]]:
    """Return the services of a lab.

    blog has listeners only: one for the hosts of the group web and one public UDP port. notes runs, on a socket.
    """
    return [
        {
            "name": "blog",
            "on": ["web"],
            "listen": [{"port": 8001, "from": ["web"]}, {"port": 8002, "proto": "udp"}],
        },
        {
            "name": "notes",
            "on": ["web"],
            "release": {"path": str(SAMPLE)},
            "run": {"web": {"exec": "serve", "health": {"path": "/healthz"}}},
            "schedule": [{"name": "tick", "exec": "tick", "at": "daily"}],
            "secrets": ["token"],
            "memory": "128M",
        },
    ]


def write(
    directory: Path,
    hosts: Iterable[Host],
    *,
    people: Sequence[Mapping[str, Any]] | None = None,
    services: Sequence[Mapping[str, Any]] | None = None,
    policy: Mapping[str, Any] | None = None,
    host: Mapping[str, Mapping[str, Any]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    extra: Mapping[str, Any] | None = None,
    today: datetime.date | None = None,
) -> Inventory:
    """Write an inventory for ``hosts`` into ``directory`` and return it.

    ``people``, ``services``, ``policy`` replace the lab's own; ``host`` maps a host's name to keys that are laid over
    its ``host`` dict; ``groups`` replaces ``{"web": every host}``; ``extra`` are more variables of all hosts. Keys are
    kept when they are there, secrets are new each time. LabHosts share their lab's operator key.
    """
    refuse_foreign(directory)
    hosts = list(hosts)
    today = today or datetime.datetime.now(datetime.UTC).date()
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    keys = _keys(directory / "keys", hosts)
    plain = {f"{name}_password": secrets.token_urlsafe(18) for name in ("alice", CONSOLE)}
    plain["notes_token"] = secrets.token_urlsafe(18)
    hashes = {name: crypt(plain[f"{name}_password"]) for name in ("alice", CONSOLE)}
    backup = secrets.token_urlsafe(24)
    known = {**plain, **{f"{name}_hash": text for name, text in hashes.items()}, "backup_password": backup}

    names = [entry.name for entry in hosts]
    members: Mapping[str, Sequence[str]] = groups or {"web": names}
    children: dict[str, Any] = {group: {"hosts": {name: {} for name in listed}} for group, listed in members.items()}
    _dump(directory / "hosts.yml", {"all": {"hosts": {name: {} for name in names}, "children": children}})
    variables = directory / "group_vars" / "all"
    _dump(variables / "people.yml", {"people": list(people) if people is not None else default_people(keys, today)})
    _dump(variables / "services.yml", {"services": list(services) if services is not None else default_services()})
    _dump(variables / "policy.yml", {"policy": dict(policy) if policy is not None else DEFAULT_POLICY})
    _dump(
        variables / "connection.yml",
        # An absolute path: the implicit localhost has no inventory_dir.
        {"ansible_ssh_private_key_file": str(keys[OPERATOR]), **(extra or {})},
    )
    vault = {
        "password_hashes": hashes,
        "services": {"notes": {"token": plain["notes_token"]}},
        "backup": {"password": backup},
    }
    _dump(variables / "vault.yml", {"vault": vault}, private=True)
    for number, entry in enumerate(hosts):
        declared: dict[str, Any] = {
            "address": entry.address,
            "networks": _networks(entry),
            "forwards": "none",
            "console": CONSOLE,
            "window": {"at": f"Sun {number % 24:02}:00", "minutes": 60},
        }
        _dump(directory / "host_vars" / f"{entry.name}.yml", {"host": {**declared, **(host or {}).get(entry.name, {})}})
    _write(directory / "secrets.json", json.dumps(known, indent=2) + "\n", private=True)
    return Inventory(directory, OPERATOR, known, keys)


def refuse_foreign(directory: Path) -> None:
    """Raise LabError where somebody's own inventory is: its files, the vault too, would be written over."""
    if (directory / "hosts.yml").exists() and not (directory / "secrets.json").exists():
        raise LabError(f"{directory} is an inventory that no lab has written: name a new folder")


def _networks(entry: Host) -> list[dict[str, Any]]:
    networks: dict[str, str] = getattr(entry, "networks", {})
    private = sorted(name for name in networks if name != "public")
    return [
        {"name": "public", "interface": "eth0"},
        *(
            {"name": name, "interface": f"eth{number}", "address": networks[name]}
            for number, name in enumerate(private, 1)
        ),
    ]


def _keys(folder: Path, hosts: Sequence[Host]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    oper = folder / OPERATOR
    lab = getattr(hosts[0], "lab", None) if hosts else None
    if lab is not None and lab.key.resolve() != oper.resolve():
        # The provider planted this one for root: the first run logs in with it.
        for source, target in ((lab.key, oper), (lab.key.with_suffix(".pub"), oper.with_suffix(".pub"))):
            _write(target, source.read_text(encoding="utf-8"), private=True)
    return {
        name: make_key(folder / name, f"{name}@lab")
        for name in (OPERATOR, "alice", "bob", "expired", "ci-blog", "stranger")
    }


def _dump(path: Path, data: Mapping[str, Any], *, private: bool = False) -> None:
    _write(path, "---\n" + yaml.safe_dump(dict(data), sort_keys=False, width=200), private=private)


def _write(path: Path, text: str, *, private: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
