"""Hosts, people and services as a molecule scenario describes them: started, inhabited, and written as an inventory."""

from __future__ import annotations

import datetime
import os
import shlex
from typing import TYPE_CHECKING, Any

from lab import inventory
from lab.hosts import Lab, LabHost, make_key
from lab.images import RELEASES, SWAP
from lab.progress import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEYS = {"hosts", "services", "people", "policy", "plant"}

# Answers every TCP connection and every datagram, on the one address or, without one, on all of both families.
LISTENER = """\
import socket, sys
proto, port, address = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
with socket.socket(family, kind) as door:
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "::":
        door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    door.bind((address, port))
    if proto == "udp":
        while True:
            _, sender = door.recvfrom(2048)
            door.sendto(b"here\\n", sender)
    door.listen(64)
    while True:
        caller, _ = door.accept()
        with caller:
            caller.sendall(b"here\\n")
"""
UNIT = """\
[Unit]
Description=A service of the lab on {proto} {port}
After=network.target
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/lab-listener {proto} {port} {address}
DynamicUser=yes
Restart=always
[Install]
WantedBy=multi-user.target
"""


def start(lab: Lab, plan: Mapping[str, Any], folder: Path) -> inventory.Inventory:
    """Start the hosts of a plan, write their inventory into ``folder`` and return it.

    ``plan["hosts"]``: ``{name, release, private: [networks], groups: [names], host: {keys laid over its host dict}}``;
    ``services`` and ``policy`` as in an inventory; ``people`` besides the lab's own, with name and rights, to which a
    key, an end and the verifications are added; ``plant``: a shell script that runs on each host before anything else.
    Raises LabError when there is no host or the plan has an unknown key.
    """
    entries: Sequence[Mapping[str, Any]] = plan.get("hosts") or []
    if unknown := sorted(set(plan) - KEYS):
        raise LabError(f"unknown in a plan: {', '.join(unknown)}; it may have {', '.join(sorted(KEYS))}")
    if not entries:
        raise LabError("no hosts: a scenario without hosts would pass and prove nothing")
    running = []
    for entry in entries:
        host = lab.find(entry["name"])
        if not host:
            # What is pinned is another one's, of a run that was killed.
            (folder / "known_hosts" / entry["name"]).unlink(missing_ok=True)
            host = lab.start(entry["name"], release_of(entry), networks=entry.get("private", ()))
        running.append(host)
    groups: dict[str, list[str]] = {}
    for entry in entries:
        for group in entry.get("groups", ["web"]):
            groups.setdefault(group, []).append(entry["name"])
    services = plan.get("services") or inventory.default_services()
    for host in running:
        if plan.get("plant"):
            host.exec(["sh", "-ec", plan["plant"]], timeout=300)
        inhabit(host, listeners(host, services, groups))
    # The people need their keys, and the inventory makes those: write it once for them.
    written = inventory.write(folder, running, groups=groups)
    people = [
        *inventory.default_people(written.keys, datetime.datetime.now(datetime.UTC).date()),
        *more_people(written, plan.get("people") or []),
    ]
    return inventory.write(
        folder,
        running,
        people=people,
        services=services,
        policy=plan.get("policy"),
        host={entry["name"]: entry.get("host", {}) for entry in entries},
        groups=groups,
        extra={
            # What playbooks/verify.yml may know of hosts that are there for tests.
            "verify_outsider": shlex.join(lab.outsider()),
            "verify_keys": str(written.path / "keys"),
        },
    )


def release_of(entry: Mapping[str, Any]) -> str:
    """Return the release that a host of a plan gets."""
    said = str(entry.get("release", "trixie"))
    if said not in RELEASES or not os.environ.get(SWAP):
        return said
    return RELEASES[1 - RELEASES.index(said)]


def listeners(
    host: LabHost, services: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, int, str]]:
    """Yield (protocol, port, address) for what the services declare on this host."""
    for service in services:
        placed = {name for word in service["on"] for name in groups.get(word, [word])}
        if host.name not in placed:
            continue
        for entry in service.get("listen", []):
            network = entry.get("network", "public")
            yield entry.get("proto", "tcp"), entry["port"], "::" if network == "public" else host.networks[network]


def inhabit(host: LabHost, doors: Iterator[tuple[str, int, str]]) -> None:
    """Let something listen on each of the doors, at every boot."""
    for proto, port, address in doors:
        unit = f"lab-{proto}-{port}.service"
        if not host.address6 and address == "::":
            address = "0.0.0.0"  # noqa: PLW2901, S104  a public service of a disposable host
        for path, text in (
            ("/usr/local/lib/lab-listener", LISTENER),
            (f"/etc/systemd/system/{unit}", UNIT.format(proto=proto, port=port, address=address)),
        ):
            host.exec(["install", "-D", "-m", "0644", "/dev/stdin", path], stdin=text.encode())
        host.exec(["systemctl", "enable", "--quiet", "--now", unit])


def more_people(written: inventory.Inventory, extra: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the people of a plan with a key of their own, valid for a year and verified in person last month."""
    today = datetime.datetime.now(datetime.UTC).date()
    met = {"by": inventory.OPERATOR, "on": (today - datetime.timedelta(days=30)).isoformat()}
    for person in extra:
        path = make_key(written.path / "keys" / person["name"], f"{person['name']}@lab").with_suffix(".pub")
        text = " ".join(path.read_text(encoding="utf-8").split()[:2])
        yield {
            "until": (today + datetime.timedelta(days=365)).isoformat(),
            **person,
            "keys": [{"name": "lab", "key": text, "verified": met}],
            "rights": [{**right, "verified": met} for right in person["rights"]],
        }
