"""The `draft_inventory` filter: an inventory that describes hosts as they were found."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import re
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Mapping

# As preflight's key_mistakes refuses them: too weak for a key that opens a host.
WEAK = {"ssh-dss"}
RSA_BITS, RSA_FIELDS = 3072, 3
DAYS = 90
# Characters of a found text that a note shows.
SHOWN = 80
# As preflight's name_mistakes refuses them for a person, and service_mistakes for a service.
TAKEN = frozenset(Path(__file__).with_name("taken_names.txt").read_text(encoding="utf-8").split())
ACCOUNT = re.compile(r"[a-z][a-z0-9_-]{0,30}")
# What Ansible means by these names is not the host, and `any` is said in place of a list of hosts.
NO_HOSTS = frozenset({"all", "any", "localhost", "ungrouped"})
TEMPLATE = re.compile(r"\{[{%#]")
NO_SHELLS = ("nologin", "false", "sync", "git-shell")
# Names of services: as long as the inventory takes them.
LONGEST = 24
# What stays on the hosts by being named in the policy, and why it is.
KEPT = {
    (
        "access",
        "keep_accounts",
    ): "Nobody logs in as these, so they are programs'. Left out, a run asks before it closes them.",
    (
        "base",
        "packages",
    ): "Somebody asked for these packages. Left out, verify lists them, and with purge: true they go.",
    ("base", "units"): "These start by themselves at boot. Left out, verify lists them, and with purge: true they go.",
    (
        "base",
        "setuid",
    ): "These give whoever runs them the rights of their owner or group. Left out, verify fails, and with "
    "purge: true that is taken off.",
    ("updates", "held"): "apt holds these back, also from security updates. Left out, verify fails.",
}
# Of paths and units, what the policy takes and no pattern, comment or template is made of.
PLAIN_PATH = re.compile(r"/[A-Za-z0-9_.,+@=~:/-]+")
PLAIN_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@*-]*")
# Entries that a note names.
NAMED = 10


def plain_name(text: str, fallback: str) -> str:
    """Return a name that the inventory takes, made of `text`, which may be a comment such as alice@laptop."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.split("@", maxsplit=1)[0].lower()).strip("-")[:24].strip("-")
    return name if re.match(r"[a-z]", name) else fallback


def is_free(name: str) -> bool:
    """Tell whether preflight takes `name` for a person or a service."""
    return bool(ACCOUNT.fullmatch(name)) and name not in TAKEN and not name.startswith(("systemd-", "holdfast"))


def fields_of(blob: bytes) -> list[bytes]:
    """Return the length-prefixed fields of an SSH key. Raises ValueError when the lengths do not add up."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("the key is cut short")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def too_weak(key: Mapping[str, str]) -> bool:
    """Tell whether a key is DSA, cut short, not of its type, or RSA under 3072 bits.

    As RFC 4253, section 6.6 has it: type, exponent, modulus.
    """
    try:
        fields = fields_of(base64.b64decode(key["public"].split()[1]))
    except (IndexError, ValueError):
        return True
    if fields[:1] != [key["type"].encode()] or key["public"].split()[0] != key["type"]:
        return True
    if key["type"] != "ssh-rsa":
        return key["type"] in WEAK
    return len(fields) != RSA_FIELDS or int.from_bytes(fields[2], "big").bit_length() < RSA_BITS


def shown(text: str) -> str:
    """Return a text of the host's for a note: shortened, and with nothing that moves a terminal's cursor."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def left_out(key: Mapping[str, str], account: Mapping[str, Any] | None) -> str:
    """Return why nobody is drafted with a key that was found for `account`, None where that is the system's.

    Options in front of a key take something away or make it another's: one command, some addresses, an authority that
    signs keys. None of them is harmless enough to be dropped: a draft would give the holder a whole account.
    """
    if too_weak(key):
        return "is too weak, or cut short, and left out"
    if key["options"]:
        return (
            f"({shown(key['comment']) or 'no comment'}) has options in front of it, {shown(key['options'])}, and is "
            "left out: people of the draft have whole accounts. Declare whoever uses it with the rights that they need"
        )
    if account is None or account["shell"].endswith(NO_SHELLS):
        return "opens an account of a program, which nobody can be declared as, and is left out: declare who holds it"
    return ""


def name_of(account: Mapping[str, Any], key: Mapping[str, str], taken: set[str]) -> str:
    """Return the name of whoever enters as `account` with `key`: one that preflight takes, if need be a new one.

    Root is nobody in particular: whoever holds one of its keys gets an account of their own.
    """
    name = str(account["name"]) if account["uid"] else plain_name(key["comment"], "")
    return name if is_free(name) else next(new for n in count(1) if (new := f"admin{n}") not in taken)


def people_of(surveys: Mapping[str, Any], verifier: str, today: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the people whose keys open the hosts, and notes about what was left out."""
    notes: list[str] = []
    until = (datetime.date.fromisoformat(today) + datetime.timedelta(days=DAYS)).isoformat()
    seen = {"by": verifier, "on": today}
    people: dict[str, dict[str, Any]] = {}
    holders: dict[str, str] = {}
    everybody = {account["name"] for survey in surveys.values() for account in survey["accounts"]}
    for host, survey in sorted(surveys.items()):
        accounts = {account["name"]: account for account in survey["accounts"]}
        for key in survey["keys"]:
            account = accounts.get(key["account"])
            why = left_out(key, account)
            if account is None or why:
                notes.append(f"{host}: {key['account']}'s {key['type']} key {key['fingerprint']} {why}")
                continue
            name = holders.setdefault(key["fingerprint"], name_of(account, key, everybody | set(people)))
            person = people.setdefault(name, {"name": name, "until": until, "keys": [], "rights": []})
            if key["public"] not in [known["key"] for known in person["keys"]]:
                label = plain_name(key["comment"].rpartition("@")[2], f"key{len(person['keys']) + 1}")
                labels = {known["name"] for known in person["keys"]}
                label = label if label not in labels else f"{label}-{len(labels) + 1}"
                person["keys"].append({"name": label, "key": key["public"], "verified": dict(seen)})
            kind = "login" if account["sudo"] == "none" else "admin"
            if kind == "admin":
                person["sudo"] = "nopasswd"
            right = next((entry for entry in person["rights"] if kind in entry), None)
            if right is None:
                person["rights"].append({kind: True, "on": [host], "verified": dict(seen)})
            elif host not in right["on"]:
                right["on"].append(host)
    return list(people.values()), notes


def service_name(listener: Mapping[str, Any], people: set[str], strangers: set[str]) -> str:
    """Return the name of a service for what listens: its unit's or program's where that may be had.

    Not that of an account that is there, which would be held to what the service declares, and that is no connection.
    """
    unit = re.sub(r"\.(service|scope)$", "", listener["unit"]).split("@")[0]
    name = plain_name(unit or listener["program"], "")
    if name in strangers and name not in people:
        name = f"{name[: LONGEST - len('-ports')]}-ports"
    return name if is_free(name) and name not in people | strangers else f"port-{listener['port']}"


def services_of(surveys: Mapping[str, Any], people: set[str]) -> list[dict[str, Any]]:
    """Return a service for each program that others can reach, with what it listens on.

    people: names that are theirs. A port that two programs share, on an address each, is the first one's. One that is
    passed on has no program, and is opened by a service beside Docker alone. No service declares a range.
    """
    services: dict[str, dict[str, Any]] = {}
    strangers = {name for survey in surveys.values() for name in survey["strangers"]}
    for host, survey in sorted(surveys.items()):
        owners: dict[tuple[str, int], str] = {}
        published = [port for port in survey["published"] if survey["docker"] and port["port"] == port["last"]]
        for listener in [*survey["listeners"], *({**port, "program": "", "unit": ""} for port in published)]:
            # systemd holds sshd's port where ssh.socket is used.
            if listener["port"] in survey["ssh_ports"] and listener["program"] in {"sshd", "systemd"}:
                continue
            name = service_name(listener, people, strangers)
            if owners.setdefault((listener["proto"], listener["port"]), name) != name:
                continue
            service = services.setdefault(name, {"name": name, "on": [], "listen": []})
            if host not in service["on"]:
                service["on"].append(host)
            entry = {"port": listener["port"], **({"proto": "udp"} if listener["proto"] == "udp" else {})}
            if entry not in service["listen"]:
                service["listen"].append(entry)
    return sorted(services.values(), key=lambda service: str(service["name"]))


def kept_accounts(survey: Mapping[str, Any], people: set[str]) -> tuple[list[str], list[str]]:
    """Return the accounts of programs that a run would ask about, and notes about the others that it will.

    Nobody enters as a program's: it has no shell, or neither a key nor a password. What can be entered, or has sudo, is
    somebody's, who is either declared or shut out: a draft decides neither.
    """
    kept, notes = [], []
    holders = {key["account"] for key in survey["keys"]}
    for account in survey["accounts"]:
        name = account["name"]
        if account["uid"] == 0 or name in people:
            continue
        entered = [
            *(["sudo"] if account["sudo"] != "none" else []),
            *(["a key"] if name in holders else []),
            *(["a password"] if account["password"] else []),
        ]
        closed = account["sudo"] == "none" and account["shell"].endswith(NO_SHELLS)
        if (closed or not entered) and ACCOUNT.fullmatch(name):
            kept.append(name)
        else:
            why = (
                f"has {' and '.join(entered)}"
                if entered
                else "has a name that policy.access.keep_accounts does not take"
            )
            notes.append(f"the account {name} {why}, and is nobody's of the draft: a run asks before it closes that")
    return kept, notes


def several(texts: list[str]) -> str:
    """Return texts of the host's for a note, the first of them where they are many."""
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(map(shown, texts[:NAMED])) + more


def beyond(extras: Mapping[str, Any]) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Return what the policy names so that it stays, by where it does, and notes about what is left to the reader."""
    notes = []
    # systemd's \x2d and the like: the policy has no such character, but one that stands for any.
    units = [unit.replace("\\", "*") for unit in extras["units"]]
    found: dict[tuple[str, str], list[str]] = {
        ("base", "packages"): [name.partition(":")[0] for name in extras["packages"]],
        ("updates", "held"): [name.partition(":")[0] for name in extras["held"]],
        ("base", "units"): [unit for unit in units if PLAIN_UNIT.fullmatch(unit)],
        ("base", "setuid"): [
            entry["path"] for entry in extras["setuid"] if entry["package"] and PLAIN_PATH.fullmatch(entry["path"])
        ],
    }
    if others := [unit for unit in units if not PLAIN_UNIT.fullmatch(unit)]:
        notes.append(f"start at boot, with names that policy.base.units does not take: {several(others)}")
    drafted = set(found["base", "setuid"])
    if programs := [entry["path"] for entry in extras["setuid"] if entry["path"] not in drafted]:
        notes.append(
            "give whoever runs them the rights of their owner or group, and no package beyond Debian's own brings them "
            f"so: {several(programs)}. Find out who has set that, and take it off with chmod a-s"
        )
    if not extras["searched"]:
        notes.append("its disks could not be searched for set-uid programs in time: see what verify says")
    return found, notes


def policy_of(
    surveys: Mapping[str, Any], people: set[str]
) -> tuple[dict[tuple[str, str], dict[str, list[str]]], list[str]]:
    """Return what the policy keeps on the hosts: {(part, key): {value: hosts that have it}}, and notes.

    The policy is for all hosts, so it allows what one of them has on each.
    """
    kept: dict[tuple[str, str], dict[str, list[str]]] = {place: {} for place in KEPT}
    notes = []
    for host, survey in sorted(surveys.items()):
        accounts, said = kept_accounts(survey, people)
        found, more = beyond(survey["extras"])
        for place, values in {**found, ("access", "keep_accounts"): accounts}.items():
            for value in sorted(set(values)):
                kept[place].setdefault(value, []).append(host)
        notes += [f"{host}: {note}" for note in [*said, *more]]
    return kept, notes


def policy_text(verifier: str, kept: Mapping[tuple[str, str], Mapping[str, list[str]]], hosts: int) -> str:
    """Return the policy as text, with a comment on each list and, of several hosts, on what not all of them have."""
    refuse_templates([verifier])
    flow = yaml.safe_dump([verifier], default_flow_style=True, width=4096).strip()
    parts: dict[str, list[str]] = {"access": [f"    verifiers: {flow}"]}
    for (part, key), values in kept.items():
        refuse_templates([*values])
        if values:
            parts.setdefault(part, []).extend([f"    # {KEPT[part, key]}", f"    {key}:"])
        for value, found in sorted(values.items()):
            line = yaml.safe_dump([value], width=4096).rstrip("\n")
            parts[part].append(f"      {line}{'' if len(found) == hosts else '  # on ' + ', '.join(found)}")
    lines = [line for part, inner in parts.items() for line in (f"  {part}:", *inner)]
    comment = (
        "Drafted: what stays on all hosts beside Debian's own. Strike what nobody needs. Defaults apply to the rest."
    )
    return "\n".join(["---", f"# {comment}", "policy:", *lines, ""])


def host_of(survey: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declaration of one host."""
    networks: list[dict[str, Any]] = []
    for card in survey["networks"]:
        private = [a for a in card["addresses"] if ipaddress.ip_address(a).is_private]
        if card["default"] or not private or card["interface"].startswith(("docker", "br-", "veth")):
            continue
        networks.append({"name": f"private{len(networks) + 1}", "interface": card["interface"], "address": private})
    port = survey["ssh_ports"][0]
    return {
        "address": survey["address"],
        "ssh": {"port": port, "first_port": port},
        **({"networks": networks} if networks else {}),
        "forwards": "docker" if survey["docker"] else "wireguard" if survey["tunnels"] else "none",
        # Declare an account with a password for the provider's console, or keep this and accept the rescue system.
        "console": "none",
    }


def tunnel_note(survey: Mapping[str, Any]) -> str:
    """Return what the drafted `forwards` takes from WireGuard, as adoption_refusals asks for it; empty if nothing."""
    if survey["tunnels"] and survey["docker"]:
        return (
            "Docker and WireGuard are both there, and host.forwards takes one value: with docker nothing is passed on "
            f"that comes in over WireGuard ({', '.join(survey['tunnels'])}), but to declared ports of Docker"
        )
    others = ", ".join(card for card in survey["tunnels"] if not card.startswith("wg"))
    if others:
        return f"with host.forwards: wireguard nothing is passed on that comes in over {others}: rename it to wg…"
    return ""


def named(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the surveys by a name for each host, its own one where that is free; each with its address."""
    surveys: dict[str, dict[str, Any]] = {}
    for number, (address, survey) in enumerate(sorted(found.items()), 1):
        name = plain_name(survey["hostname"].split(".")[0], "")
        wanted = [name] if name and name not in NO_HOSTS else []
        others = (f"{name if wanted else 'host'}{'-' if wanted else ''}{at}" for at in count(number))
        surveys[next(new for new in chain(wanted, others) if new not in surveys)] = {**survey, "address": address}
    return surveys


def refuse_templates(value: Any) -> None:
    """Refuse a text that Ansible would render: what is drafted from a host's words would run on the controller.

    The surveys are judged, so that none is left; this is the net below.
    """
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for inner in value:
            refuse_templates(inner)
    elif TEMPLATE.search(str(value)) or not str(value).isprintable():
        raise AnsibleFilterError(f"nothing was drafted: it would have a template or a line end in {str(value)[:80]!r}")


def draft_inventory(found: Mapping[str, Mapping[str, Any]], verifier: str, today: str) -> dict[str, Any]:
    """Return {files: {path: text}, notes: [text]}: an inventory of the hosts as they were found.

    found: result of host_survey with `allowed`, judged, by the address at which the host is reached. verifier: who has
    verified the found keys in person. today: 'YYYY-MM-DD', UTC. Everybody's access ends 90 days after it, so that the
    draft is read again. Keys that are too weak, have options in front of them, or open accounts of programs, are left
    out and noted.

    Raises AnsibleFilterError: a text of the draft would be rendered by Ansible.
    """
    # Plain texts: Ansible's carry marks of where they come from, which YAML has no form for.
    found, verifier, today = json.loads(json.dumps([found, verifier, today]))
    surveys = named(found)
    people, notes = people_of(surveys, verifier, today)
    if not any("admin" in right for person in people for right in person["rights"]):
        notes.append("nobody was found whose key opens root or an account with sudo: declare an admin in people.yml")
    names = {person["name"] for person in people}
    kept, said = policy_of(surveys, names)
    notes += said
    if counted := [f"{key} {len(values)}" for (_part, key), values in kept.items() if values]:
        notes.append(
            f"policy.yml keeps what is there beyond Debian's own ({', '.join(counted)}): strike what nobody needs"
        )
    services = services_of(surveys, names)

    def text(data: dict[str, Any], comment: str) -> str:
        refuse_templates([data, comment])
        return f"---\n# {comment}\n" + str(yaml.safe_dump(data, sort_keys=False, width=4096, allow_unicode=True))

    files = {
        "hosts.yml": text({"all": {"hosts": {name: {} for name in sorted(surveys)}}}, "Drafted from running hosts."),
        "group_vars/all/people.yml": text(
            {"people": people},
            f"Drafted on {today}: whose keys were found. Remove everybody whom {verifier} has not met in person.",
        ),
        "group_vars/all/services.yml": text({"services": services}, "Drafted: what listens. Remove what nobody needs."),
        "group_vars/all/policy.yml": policy_text(verifier, kept, len(surveys)),
    }
    for name, survey in sorted(surveys.items()):
        host = host_of(survey)
        notes += [f"{name}: {note}"] if (note := tunnel_note(survey)) else []
        files[f"host_vars/{name}.yml"] = text({"host": host}, "Drafted from the running host.")
    return {"files": files, "notes": notes}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"draft_inventory": draft_inventory}
