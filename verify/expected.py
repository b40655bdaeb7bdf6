"""What must hold on a host, from the resolved inventory alone: the suite knows nothing of how the roles do it."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Entry = dict[str, Any]

KERNEL: Final = {
    "kernel.kptr_restrict": "2",
    "kernel.dmesg_restrict": "1",
    "kernel.yama.ptrace_scope": "1",
    "kernel.unprivileged_bpf_disabled": "2",
    "kernel.perf_event_paranoid": "3",
    "kernel.randomize_va_space": "2",
    "kernel.core_pattern": "|/bin/false",
    "net.core.bpf_jit_harden": "2",
    "fs.suid_dumpable": "0",
    "fs.protected_symlinks": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_regular": "2",
    "net.ipv4.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv4.conf.*.send_redirects": "0",
    "net.ipv4.conf.*.accept_source_route": "0",
    "net.ipv6.conf.*.accept_source_route": "0",
    "net.ipv4.conf.*.rp_filter": "2",
    "net.ipv4.tcp_syncookies": "1",
}
"""Settings of the kernel that every host owes, where policy.base.sysctl does not say otherwise."""


class CatalogueError(ValueError):
    """The file is not a resolved inventory."""


@dataclass(frozen=True)
class Listen:
    """One declared door of a host: who may reach which port on which network."""

    proto: str
    port: int
    network: str
    sources: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """For people: 22/tcp."""
        return f"{self.port}/{self.proto}"


@dataclass(frozen=True)
class Catalogue:
    """The resolved inventory of one environment."""

    data: Entry
    digest: str
    path: str

    @classmethod
    def read(cls, path: Path) -> Catalogue:
        """Read the JSON that the verify playbook writes.

        Raises:
            CatalogueError: it is missing, not JSON, or lacks people, hosts or policy.
        """
        try:
            text = path.read_text(encoding="utf-8")
            data = json.loads(text)
        except (OSError, ValueError) as error:
            raise CatalogueError(f"{path}: {error}") from error
        inner = data.get("catalogue") if isinstance(data, dict) else None
        if isinstance(inner, dict):
            data = {**inner, **{key: value for key, value in data.items() if key != "catalogue"}}
        wanted = ("people", "services", "policy", "hosts")
        missing = [key for key in wanted if not isinstance(data, dict) or key not in data]
        if missing:
            raise CatalogueError(f"{path}: not a resolved inventory, it lacks {', '.join(missing)}")
        stable = json.dumps(data, sort_keys=True).encode()
        return cls(data, hashlib.sha256(stable).hexdigest(), str(path))

    @property
    def hosts(self) -> list[str]:
        """Names of all hosts, sorted."""
        return sorted(self.data["hosts"])


@dataclass(frozen=True)
class Expected:
    """What one host owes."""

    catalogue: Catalogue
    name: str
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())

    @property
    def host(self) -> Entry:
        """The host's own entry."""
        found: Entry = self.catalogue.data["hosts"][self.name]
        return found

    @property
    def policy(self) -> Entry:
        """Policy with its defaults."""
        found: Entry = self.catalogue.data["policy"]
        return found

    @property
    def operator(self) -> str:
        """Who runs this; empty when the file does not say."""
        return str(self.catalogue.data.get("operator") or "")

    @property
    def resolvers(self) -> list[str]:
        """Resolvers that the host has to ask; none where it may ask those of its provider."""
        return [str(one) for one in (self.policy.get("base") or {}).get("resolvers") or []]

    @property
    def port(self) -> int:
        """SSH port."""
        return int((self.host.get("ssh") or {}).get("port") or 22)

    @property
    def jump(self) -> str:
        """Host that one must go through to reach this one; empty for none."""
        return str((self.host.get("ssh") or {}).get("jump") or "")

    @property
    def console(self) -> str | None:
        """Account that opens the console, None when the host has no console door."""
        value = self.host.get("console") or (self.policy.get("access") or {}).get("console")
        return None if value in (None, "none") else str(value)

    @cached_property
    def base(self) -> Entry:
        """Policy for the host's ground."""
        found: Entry = self.policy.get("base") or {}
        return found

    @cached_property
    def kernel(self) -> dict[str, str]:
        """Settings of the kernel, by name."""
        return {**KERNEL, **(self.base.get("sysctl") or {})}

    def allowed(self, part: str) -> list[str]:
        """Patterns of what may be there without being a mistake: packages, units or setuid."""
        mine = (self.catalogue.data.get("allowed") or {}).get(self.name) or {}
        return [str(one) for one in mine.get(part) or []]

    @cached_property
    def people(self) -> list[Entry]:
        """People and automation who hold a right on this host, expired ones included."""
        return [one for one in self.catalogue.data["people"] if self.rights(one)]

    @cached_property
    def valid(self) -> list[Entry]:
        """Those of them whose last day is not over."""
        return [one for one in self.people if str(one.get("until") or "9999-12-31") >= self.today.isoformat()]

    @cached_property
    def expired(self) -> list[Entry]:
        """Everybody in the inventory whose last day is over."""
        return [
            one
            for one in self.catalogue.data["people"]
            if str(one.get("until") or "9999-12-31") < self.today.isoformat()
        ]

    def rights(self, person: Entry) -> list[Entry]:
        """Rights of one person here."""
        return [one for one in person.get("rights") or [] if self.name in (one.get("on") or [])]

    def kinds(self, person: Entry) -> set[str]:
        """Kinds of right of one person here."""
        return {str(one.get("kind")) for one in self.rights(person)}

    @cached_property
    def admins(self) -> list[str]:
        """Names of those who may become root over SSH."""
        return sorted(one["name"] for one in self.valid if "admin" in self.kinds(one))

    @cached_property
    def sudoers(self) -> list[str]:
        """Names of accounts that may hold a sudo right: the admins and the console account."""
        return sorted({*self.admins, *([self.console] if self.console else [])})

    @cached_property
    def passwords(self) -> list[str]:
        """Names of accounts that may have a usable password."""
        asked = [one["name"] for one in self.valid if "admin" in self.kinds(one) and one.get("sudo") == "password"]
        return sorted({*asked, *([self.console] if self.console else [])})

    @cached_property
    def accounts(self) -> list[str]:
        """Names of the accounts of people that may exist open: declared, console, kept."""
        keep = (self.policy.get("access") or {}).get("keep_accounts") or []
        return sorted({*[one["name"] for one in self.valid], *keep, *([self.console] if self.console else [])})

    @cached_property
    def ssh_users(self) -> list[str]:
        """Names that SSH may admit."""
        return sorted(one["name"] for one in self.valid)

    @cached_property
    def backup_repository(self) -> str:
        """Where backups go; empty where no repository is declared."""
        return str(((self.policy.get("backup") or {}).get("repository") or {}).get("url") or "")

    @cached_property
    def backup_paths(self) -> list[str]:
        """What of this host is to be backed up."""
        found = {
            f"/srv/{service['name']}/shared/{str(path).rstrip('/')}"
            for service in self.catalogue.data["services"]
            if self.name in (service.get("hosts") or [])
            for path in (service.get("backup") or {}).get("paths") or []
        }
        own = (self.policy.get("backup") or {}).get("paths") or []
        return sorted(found | {str(one["path"]) for one in own if self.name in (one.get("hosts") or [])})

    def fingerprints(self, name: str) -> set[str]:
        """Fingerprints of the declared keys of one valid person."""
        return {
            str(key.get("fingerprint")) for one in self.valid if one["name"] == name for key in one.get("keys") or []
        }

    @cached_property
    def placed(self) -> list[Entry]:
        """The catalogue's services that run here, as they are."""
        return [one for one in self.catalogue.data["services"] if self.name in (one.get("hosts") or [])]

    @cached_property
    def listens(self) -> list[Listen]:
        """Every declared door, SSH first."""
        found = [Listen("tcp", self.port, "public", self._sources((self.host.get("ssh") or {}).get("sources")), "ssh")]
        for service in self.catalogue.data["services"]:
            name = f"service {service.get('name')}"
            if self.name in (service.get("hosts") or []):
                found += [
                    Listen(
                        str(one.get("proto") or "tcp"),
                        int(one["port"]),
                        str(one.get("network") or "public"),
                        self._sources(one.get("from")),
                        name,
                    )
                    for one in service.get("listen") or []
                ]
            edge = service.get("edge") or {}
            if self.name in (edge.get("hosts") or edge.get("on") or []):
                found += [Listen("tcp", port, "public", ("any",), name) for port in (80, 443)]
        return list(dict.fromkeys(found))

    @cached_property
    def services(self) -> list[Entry]:
        """Services of this host: name, release (None without one), parts, schedules, secrets and needs.

        Where the release could not be read here, `unread` has the templates of its parts and schedules.
        """
        releases = self.catalogue.data.get("releases") or {}
        found = []
        for service in self.catalogue.data["services"]:
            if self.name not in (service.get("hosts") or []):
                continue
            release = (releases.get(service["name"]) or {}).get("id")
            runs = sorted(service.get("run") or {})
            schedules = sorted(one["name"] for one in service.get("schedule") or [])
            unread = service["name"] in self.unread_releases
            found.append(
                {
                    "name": service["name"],
                    "release": release,
                    "parts": runs if release else [],
                    "schedules": schedules if release else [],
                    "unread": {
                        kind: [f"{service['name']}-{one}@" for one in names] if unread else []
                        for kind, names in (("parts", runs), ("schedules", schedules))
                    },
                    "secrets": sorted(service.get("secrets") or []),
                    "needs": list(service.get("needs") or []),
                }
            )
        return found

    @property
    def unread_releases(self) -> list[str]:
        """Services of this host whose declared release could not be read where this runs."""
        read = self.catalogue.data.get("releases") or {}
        here = [one for one in self.catalogue.data["services"] if self.name in (one.get("hosts") or [])]
        return [one["name"] for one in here if one.get("release") and one["name"] not in read]

    def unread(self, kind: str) -> list[str]:
        """Templates (`blog-web@`) of all parts, or schedules, whose release could not be read here."""
        return [template for one in self.services for template in one["unread"][kind]]

    @property
    def service_parts(self) -> list[str]:
        """Units of all parts that have to run."""
        return [f"{one['name']}-{role}@{one['release']}.service" for one in self.services for role in one["parts"]]

    @property
    def service_schedules(self) -> list[str]:
        """Names, without the suffix, of the units and timers of all schedules."""
        return [f"{one['name']}-{name}@{one['release']}" for one in self.services for name in one["schedules"]]

    def _sources(self, value: Any) -> tuple[str, ...]:
        """Who may come: 'any' or networks; names of hosts and groups become their addresses."""
        if value in (None, "any", ["any"], []):
            return ("any",)
        found: list[str] = []
        hosts: Entry = self.catalogue.data["hosts"]
        for one in [value] if isinstance(value, str) else value:
            names = [name for name, host in hosts.items() if one in (name, "all") or one in (host.get("groups") or [])]
            if not names:
                found.append(str(one))
            for name in names:
                found += self.addresses(hosts[name])
        return tuple(sorted(set(found)))

    @staticmethod
    def addresses(host: Entry) -> list[str]:
        """All addresses of a host that are addresses."""
        found = [str(host.get("address") or "")]
        for network in host.get("networks") or []:
            found += [str(one) for one in network.get("addresses") or []]
        return [one for one in found if _is_network(one)]

    def declared(self, proto: str, port: int) -> list[Listen]:
        """The doors of one port."""
        return [one for one in self.listens if (one.proto, one.port) == (proto, port)]

    def public(self, proto: str) -> list[Listen]:
        """The doors on the public side."""
        return [one for one in self.listens if one.proto == proto and self.is_public(one.network)]

    def is_public(self, network: str) -> bool:
        """Whether a network is the public side: by name, or because its card is not declared."""
        return network == "public" or network not in {one.get("name") for one in self.host.get("networks") or []}

    @cached_property
    def inner_interfaces(self) -> dict[str, str]:
        """Declared cards that are not public: {interface: network}."""
        return {
            str(one["interface"]): str(one["name"])
            for one in self.host.get("networks") or []
            if one.get("name") != "public" and one.get("interface")
        }


def _is_network(text: str) -> bool:
    """Whether a text is an address or a network."""
    try:
        ipaddress.ip_network(text.partition("/")[0])
    except ValueError:
        return False
    return True


def admits(sources: Iterable[str], address: str) -> bool:
    """Whether a door's sources include an address."""
    if not address:
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    for one in sources:
        if one == "any":
            return True
        try:
            network = ipaddress.ip_network(one, strict=False)
        except ValueError:
            continue
        if ip.version == network.version and ip in network:
            return True
    return False
