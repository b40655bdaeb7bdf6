"""The `adoption_refusals` filter: what a first run would take away without anybody having said so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What a purge would take away: the entry that allows it, what no name has, and what is said. The names are the module's
# word, and so the host's: in what is pasted into an inventory stands no template.
PURGED = {
    "packages": ("package", "[^a-z0-9.+:-]", "would purge {}, which is not allowed by policy.base.packages"),
    "units": ("unit", r"[^A-Za-z0-9:_.@\\-]", "would disable and stop {}, which is not allowed by policy.base.units"),
    "setuid": (
        "setuid",
        "[^A-Za-z0-9/._+@:,~=-]",
        "would take the set-uid and set-gid bits off {}, which is not allowed by policy.base.setuid",
    ),
}


def one_line(text: str) -> str:
    """Return a text without what would begin a line of its own, which could be taken for one of holdfast's."""
    return "".join(char if char.isprintable() else " " for char in text)


def lost_keys(cat: Any, survey: Mapping[str, Any]) -> dict[str, list[Mapping[str, str]]]:
    """Return the found keys, by fingerprint, that would open nothing any more, or no longer the account of the system.

    Nobody enters as such an account again, so that its key is lost also where its holder is declared.
    """
    known = {key["fingerprint"] for person in cat["people"] for key in person["keys"]}
    people = {account["name"] for account in survey["accounts"]}
    lost: dict[str, list[Mapping[str, str]]] = {}
    for key in survey["keys"]:
        if key["fingerprint"] not in known or key["account"] not in people:
            lost.setdefault(key["fingerprint"], []).append(key)
    return lost


def closed_ports(
    survey: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], ssh_ports: set[int], forwards: str
) -> dict[str, str]:
    """Return what is said of each port in use that would be open no more, by the entry that allows it.

    ssh_ports: the declared one of sshd, and the one that the contact came in on: the guard opens both, and closes the
    latter after the login on the former has worked. Whatever else sshd listens on is a port like any other.
    forwards: host.forwards. Only with docker does what is declared open ports behind the host, too.
    """
    declared = {(rule["proto"], rule["port"]) for rule in rules}
    found: dict[str, str] = {}
    for listener in survey["listeners"]:
        proto, port = listener["proto"], listener["port"]
        if (proto, port) in declared or (proto == "tcp" and port in ssh_ports):
            continue
        by = (
            f"{listener['program'] or 'a program of the kernel'}{' as ' + listener['user'] if listener['user'] else ''}"
        )
        found.setdefault(f"port {port}/{proto}", f"would close {port}/{proto}, on which {by} listens")
    unopened = "" if forwards == "docker" else f" (with host.forwards: {forwards} no service opens it)"
    for rule in survey["published"]:
        proto, first, last = rule["proto"], rule["port"], rule["last"]
        if unopened or any((proto, port) not in declared for port in range(first, last + 1)):
            ports = f"{first}/{proto}" if first == last else f"{first}-{last}/{proto}"
            said = f"would close {ports}, which is passed on to a container or another machine{unopened}"
            found.setdefault(f"port {ports}", said)
    return found


def cut_packets(survey: Mapping[str, Any], forwards: str) -> str:
    """Return what is said of packets that the kernel passes on now and would not any more; empty where there are none.

    forwards: host.forwards. With wireguard the firewall knows its cards by their names, and with docker none of them.
    """
    if not survey["forwarding"]:
        return ""
    if forwards == "none":
        return "would pass on no packet between network cards, which the kernel does now (host.forwards)"
    accept = "write forwarding to host.accept where that may end"
    if forwards == "docker" and survey["tunnels"]:
        return (
            f"would pass on nothing more that comes in over WireGuard ({', '.join(survey['tunnels'])}), but to "
            f"declared ports of Docker, as host.forwards is docker: {accept}"
        )
    others = ", ".join(card for card in survey["tunnels"] if not card.startswith("wg"))
    if forwards == "wireguard" and others:
        return (
            f"would pass on nothing more that comes in over WireGuard's {others}, as host.forwards: wireguard is for "
            f"cards named wg…: rename it, or {accept}"
        )
    return ""


def cut_off(cat: Any, host: str, survey: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of connections and rules that would end, by the entry that allows it."""
    found: dict[str, str] = {}
    for service in cat["services"]:
        name = service["name"]
        # With a release it is refused that account in any case: service_accounts judges.
        bare = host in service["hosts"] and not service.get("release") and not service["egress"]
        if bare and name in survey["strangers"]:
            found[f"egress {name}"] = (
                f"would refuse the connections that the account {name} opens, as the service {name} declares no egress"
            )
    if packets := cut_packets(survey, cat["hosts"][host]["forwards"]):
        found["forwarding"] = packets
    if survey["nftables"]:
        found["nftables.conf"] = "would mask nftables.service, which loads the rules of /etc/nftables.conf at each boot"
    return found


def adoption_refusals(
    cat: Any,
    host: str,
    survey: Mapping[str, Any],
    rules: Sequence[Mapping[str, Any]],
    purged: Mapping[str, Any] | None = None,
    *,
    contact_port: int,
) -> list[dict[str, str]]:
    """Return what the first run on `host` would take away and `host.accept` does not list: [{what, accept}], sorted.

    survey: result of host_survey, judged. rules: result of firewall_rules for the host. purged: what the module
    purge_left_over would do; skipped, where policy does not say so. contact_port: SSH port on which the run came in.
    accept: the entry that makes the run go on. People who are declared, ended ones too, need none: the inventory
    already says what becomes of them.
    """
    declared = cat["hosts"][host]
    found = closed_ports(survey, rules, {declared["ssh"]["port"], contact_port}, declared["forwards"])
    found |= cut_off(cat, host, survey)
    for fingerprint, keys in lost_keys(cat, survey).items():
        owners = "'s and ".join(dict.fromkeys(key["account"] for key in keys))
        comment = f" ({keys[0]['comment']})" if keys[0]["comment"] else ""
        found[f"key {fingerprint}"] = f"would no longer let in {owners}'s key {fingerprint}{comment}"
    kept = {person["name"] for person in cat["people"]} | set(cat["policy"]["access"]["keep_accounts"])
    kept |= {declared["ssh"]["first_user"], declared["console"], "root"}
    for account in survey["accounts"]:
        if account["name"] not in kept:
            found.setdefault(
                f"account {account['name']}", f"would close the account {account['name']} and end its sessions"
            )
    for part, (entry, others, said) in PURGED.items():
        for name in [re.sub(others, "?", name) for name in (purged or {}).get(part, [])]:
            found[f"{entry} {name}"] = said.format(name)
    accepted = set(declared["accept"])
    return [
        {"what": one_line(found[entry]), "accept": one_line(entry)} for entry in sorted(found) if entry not in accepted
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"adoption_refusals": adoption_refusals}
