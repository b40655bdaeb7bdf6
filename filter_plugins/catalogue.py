"""The `catalogue` filter: the inventory's data, checked, completed with defaults and resolved to hosts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

KINDS = ("admin", "deploy", "login", "forward", "jump")
# A missing key costs a tolerant reading the whole entry, but for these: the entry's other mistakes are still told.
KEPT_WITHOUT = frozenset({"until", "verified", "address", "on", "by"})
GONE = object()


def plain(value: Any) -> Any:
    """Return `value` as JSON data. YAML makes an unquoted `on` True, and a date an object: both become text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {
            {True: "on", False: "off"}.get(k, str(k)) if isinstance(k, bool) else str(k): plain(value[k]) for k in value
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    return str(value)


# The formats below stand in data_mistakes.py too, as filters cannot import each other; a test holds the two together.
def is_ip(text: str) -> bool:
    """Tell whether `text` is one IPv4 or IPv6 address."""
    try:
        return "%" not in str(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_cidr(text: str) -> bool:
    """Tell whether `text` is a network or one address. The whole internet is written `any`, so /0 is none."""
    try:
        return ipaddress.ip_network(text).prefixlen > 0 and "%" not in text
    except ValueError:
        return False


def is_name(text: str) -> bool:
    """Tell whether `text` is a DNS name. A numeric last label is a mistyped address."""
    label = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?"
    return re.fullmatch(rf"({label}\.)*{label}", text) is not None and not text.rsplit(".", 1)[-1].isdigit()


def is_source(text: str) -> bool:
    """Tell whether `text` is a network, an address, or could be the name of a host or group."""
    return is_cidr(text) or (
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text) is not None and is_name(text) and text != "any"
    )


def is_day(text: str) -> bool:
    """Tell whether `text` is a date that exists, YYYY-MM-DD."""
    try:
        return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def is_host_port(text: str) -> bool:
    """Tell whether `text` is host:port, an IPv6 address being in brackets."""
    found = re.fullmatch(
        r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.-]+)):(?P<port>[1-9][0-9]{0,4})", text, re.ASCII
    )
    if found is None or int(found["port"]) > 65535:
        return False
    return (
        (is_ip(found["six"]) and ":" in found["six"])
        if found["six"]
        else (is_ip(found["host"]) or is_name(found["host"]))
    )


FORMATS: dict[str, Callable[[str], bool]] = {
    "ip": is_ip,
    "cidr": is_cidr,
    "address": lambda text: is_ip(text) or is_name(text),
    "source": is_source,
    "day": is_day,
    "host-port": is_host_port,
}


def whole_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a whole environment: as the user's, but with `hosts` by name instead of one `host`."""
    whole: dict[str, Any] = deepcopy(plain(schema))
    whole["properties"]["hosts"] = {"type": "object", "additionalProperties": whole["properties"].pop("host")}
    return whole


def environment(raw: Any) -> dict[str, Any]:
    """Return the four parts of `raw` as JSON data, each of them present."""
    data = plain(raw) if isinstance(raw, Mapping) else {}
    parts: dict[str, Any] = {"people": [], "services": [], "policy": {}, "hosts": {}}
    return {name: data[name] if data.get(name) is not None else empty for name, empty in parts.items()}


def validator(schema: dict[str, Any]) -> Any:
    """Return a JSON Schema validator that knows our formats, and in which no pattern lets a line break through."""
    try:
        import jsonschema
    except ImportError as error:
        raise AnsibleFilterError(
            "holdfast needs the Python package jsonschema beside Ansible: run `make setup-tools`, then "
            "`source .venv/bin/activate`"
        ) from error

    def pattern(_self: Any, expression: str, text: Any, _schema: Any) -> Any:
        if isinstance(text, str) and ("\n" in text or re.search(expression, text) is None):
            yield jsonschema.ValidationError(f"{text!r} does not match {expression!r}")

    checker = jsonschema.FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    kind = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
    return kind(schema, format_checker=checker)


def at(data: Any, path: Sequence[Any]) -> Any:
    """Return what lies at `path` in `data`, or GONE."""
    for step in path:
        if data is GONE:
            return GONE
        data = data[step]
    return data


def drop(data: Any, path: Sequence[Any]) -> None:
    """Mark what lies at `path` as gone. List items keep their places until the sweep, so other paths stay right."""
    if path and (holder := at(data, path[:-1])) is not GONE:
        holder[path[-1]] = GONE


def sweep(value: Any) -> Any:
    """Return `value` without what was marked as gone."""
    if isinstance(value, dict):
        return {key: sweep(item) for key, item in value.items() if item is not GONE}
    if isinstance(value, list):
        return [sweep(item) for item in value if item is not GONE]
    return value


def repaired(data: dict[str, Any], check: Any) -> dict[str, Any]:
    """Return `data` without what the schema refuses: the smallest part that holds a mistake goes, the rest stays."""
    while True:
        before = deepcopy(data)
        for error in list(check.iter_errors(data)):
            path = list(error.absolute_path)
            held = at(data, path)
            if held is GONE:
                continue
            if error.validator == "additionalProperties" and isinstance(held, dict):
                for key in set(held) - set(error.schema.get("properties", {})):
                    drop(data, [*path, key])
            elif error.validator == "required":
                missing = [key for key in error.validator_value if key not in held]
                if any(key not in KEPT_WITHOUT for key in missing):
                    drop(data, path)
            elif "propertyNames" in error.absolute_schema_path:
                drop(data, [*path, error.instance])
            elif path:
                drop(data, path)
        # A part that is gone as a whole is empty, not absent.
        data = environment(sweep(data))
        if data == before:
            return data


def filled(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> Any:
    """Return `value` with the schema's defaults, and None for what a tolerant reading let pass."""
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = filled(target, value, root)
    if isinstance(value, dict):
        done = dict(value)
        for key, part in schema.get("properties", {}).items():
            if key not in done and "default" in part:
                done[key] = deepcopy(part["default"])
            elif key not in done and key in schema.get("required", []):
                done[key] = None
            if key in done:
                done[key] = filled(part, done[key], root)
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict):
            done = {
                key: item if key in schema.get("properties", {}) else filled(rest, item, root)
                for key, item in done.items()
            }
        return done
    if isinstance(value, list) and "items" in schema:
        return [filled(schema["items"], item, root) for item in value]
    return value


def hosts_of(targets: Any, groups: Mapping[str, Any], hosts: Mapping[str, Any]) -> list[str]:
    """Return the sorted names of the declared hosts that `targets` (hosts and groups) name."""
    found: set[str] = set()
    for target in targets or []:
        found |= set(hosts) if target == "all" else set(groups.get(target, [])) & set(hosts)
        if target in hosts:
            found.add(target)
    return sorted(found)


def listed(value: Any) -> list[str]:
    """Return sources as a sorted list in one spelling: ['any'], or names and networks (one address as /32 or /128)."""
    if value == "any" or value is None:
        return ["any"]
    return sorted({str(ipaddress.ip_network(item)) if is_cidr(item) else item for item in value})


def public_key(text: str, *, tolerant: bool) -> dict[str, Any]:
    """Return {key, type, fingerprint} of a public key line. Of a malformed one, the last two are None."""
    words = text.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError, binascii.Error):
        blob = b""
    # The type in front must be the key's own.
    if not blob or blob[4 : 4 + int.from_bytes(blob[:4], "big")] != words[0].encode():
        if tolerant:
            return {"key": " ".join(words), "type": None, "fingerprint": None}
        raise AnsibleFilterError("catalogue: a public key is malformed: preflight names it")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {"key": f"{words[0]} {words[1]}", "type": words[0], "fingerprint": f"SHA256:{digest}"}


def person_of(person: dict[str, Any], place: Callable[[Any], list[str]], *, tolerant: bool) -> dict[str, Any]:
    """Return one person in the catalogue's form."""
    rights = []
    for right in person["rights"]:
        kind = next((kind for kind in KINDS if kind in right), None)
        if kind is not None:
            rights.append({"kind": kind, "value": right[kind], "on": place(right["on"]), "verified": right["verified"]})
    keys = [
        {"name": k["name"], **public_key(k["key"], tolerant=tolerant), "verified": k["verified"]}
        for k in person["keys"]
    ]
    return {
        "name": person["name"],
        "kind": person["kind"],
        "owner": person.get("owner"),
        "until": person["until"],
        "keys": sorted(keys, key=lambda key: (str(key["name"]), key["key"])),
        "factors": person["factors"],
        "sudo": person.get("sudo"),
        "from": listed(person["from"]),
        "rights": sorted(rights, key=lambda right: (KINDS.index(right["kind"]), str(right["value"]), right["on"])),
    }


def host_of(name: str, host: dict[str, Any], groups: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return one host in the catalogue's form."""
    ssh = host["ssh"]
    host_key = ssh.get("host_key")
    networks = [
        {
            "name": n["name"],
            "interface": n["interface"],
            "addresses": [a] if isinstance(a := n.get("address"), str) else a or [],
        }
        for n in host["networks"]
    ]
    return {
        "address": host["address"],
        "ssh": {
            **{key: ssh[key] for key in ("port", "first_user", "first_port")},
            "jump": ssh.get("jump"),
            "host_key": " ".join(host_key.split()[:2]) if host_key else None,
            "sources": listed(ssh["sources"]),
        },
        "networks": networks,
        "forwards": host["forwards"],
        "console": host.get("console", policy["access"]["console"]),
        "window": host.get("window"),
        "accept": sorted(host["accept"]),
        "groups": sorted(
            group for group, members in groups.items() if name in members and group not in {"all", "ungrouped"}
        ),
    }


def catalogue(raw: Any, schema: Mapping[str, Any], tolerant: bool = False) -> dict[str, Any]:
    """Return the normalised catalogue of an environment: {people, services, policy, hosts}.

    raw: {people, services, policy, hosts: {name: host}, groups: {name: [host]}} as the inventory has it.
    schema: the JSON Schema of the four names. tolerant: leave out what is malformed, for preflight, instead of raising.
    Raises AnsibleFilterError on malformed data.
    """
    whole = whole_schema(schema)
    check = validator(whole)
    data = environment(raw)
    if tolerant:
        data = repaired(data, check)
    elif (error := next(check.iter_errors(data), None)) is not None:
        where = ".".join(str(step) for step in error.absolute_path) or "the inventory"
        raise AnsibleFilterError(
            f"catalogue: {where} is malformed ({error.validator}): preflight names every such mistake"
        )
    data = filled(whole, data, whole)
    groups = plain(raw.get("groups") or {}) if isinstance(raw, Mapping) else {}
    groups = (
        {k: [h for h in v if isinstance(h, str)] for k, v in groups.items() if isinstance(v, list)}
        if isinstance(groups, dict)
        else {}
    )
    data["policy"]["access"].setdefault("console", None)

    def place(targets: Any) -> list[str]:
        return hosts_of(targets, groups, data["hosts"])

    people = [person_of(person, place, tolerant=tolerant) for person in data["people"]]
    ends = {person["name"]: person["until"] for person in people}
    for person in people:
        if person["kind"] == "automation" and person["until"] and ends.get(person["owner"]):
            person["until"] = min(person["until"], ends[person["owner"]])
    services = []
    for service in data["services"]:
        rest = {key: value for key, value in service.items() if key != "on"}
        rest["hosts"] = place(service["on"])
        rest["listen"] = [{**item, "from": listed(item["from"])} for item in service["listen"]]
        edge = service.get("edge")
        rest["edge"] = (
            {"hosts": place(edge["on"]), "domains": sorted(edge.get("domains") or [])}
            if edge
            else {"hosts": [], "domains": []}
        )
        if service.get("database"):
            rest["database"] = {**service["database"], "hosts": place(service["database"]["on"])}
            del rest["database"]["on"]
        services.append(rest)
    backup = data["policy"]["backup"]
    backup["paths"] = sorted(
        ({"path": item["path"], "hosts": place(item["on"])} for item in backup["paths"]),
        key=lambda item: (item["path"], item["hosts"]),
    )
    return {
        "people": sorted(people, key=lambda person: str(person["name"])),
        "services": sorted(services, key=lambda service: str(service["name"])),
        "policy": data["policy"],
        "hosts": {name: host_of(name, host, groups, data["policy"]) for name, host in sorted(data["hosts"].items())},
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"catalogue": catalogue}
