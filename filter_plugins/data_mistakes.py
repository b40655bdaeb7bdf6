"""The `data_mistakes` filter: mistakes of shape in the inventory: unknown keys, wrong types, values that cannot be."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

# Words that would lead ssh elsewhere, or past the ssh_config of the runs, which names the pinned host keys.
ARGUMENTS = (
    "host.ssh.jump for a jump host, ansible_ssh_private_key_file for a key, and all else into your ~/.ssh/config, "
    "which counts where holdfast says nothing"
)
# A key that is not checked is anybody's.
HOST_KEYS = "host.ssh.host_key for a key that you know, or nothing: a host's key is always checked"
# Connection variables that would go round the declared address, port, account and key. ansible_ssh_common_args is the
# wiring page's own: the lookup variable_mistakes tells whether it is still the page's.
CONNECTION = {
    "ansible_host": "host.address",
    "ansible_ssh_host": "host.address",
    "ansible_port": "host.ssh.port, and host.ssh.first_port for the first run",
    "ansible_ssh_port": "host.ssh.port, and host.ssh.first_port for the first run",
    "ansible_user": "host.ssh.first_user for the first run; later runs log in as the operator",
    "ansible_ssh_user": "host.ssh.first_user for the first run; later runs log in as the operator",
    "ansible_ssh_args": ARGUMENTS,
    "ansible_ssh_extra_args": ARGUMENTS,
    "ansible_sftp_extra_args": ARGUMENTS,
    "ansible_scp_extra_args": ARGUMENTS,
    "ansible_host_key_checking": HOST_KEYS,
    "ansible_ssh_host_key_checking": HOST_KEYS,
}
TYPES = {
    "string": "a text",
    "integer": "a whole number, without quotes",
    "array": "a list",
    "object": "keys with values",
    "boolean": "true or false",
}


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


# The formats below stand in catalogue.py too, as filters cannot import each other; a test holds the two together.
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


def shown(value: Any) -> str:
    """Return a short spelling of a found value. What looks like a private key is never repeated."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "PRIVATE KEY" in text:
        return "(a private key, not shown: replace it, it is no secret any more)"
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def place_of(data: Any, path: Sequence[Any]) -> tuple[str, str]:
    """Return (entry, key) of `path` as a person would say it: list items by their names where they have one."""
    if not path:
        return "inventory", ""
    part, rest, here = str(path[0]), list(path[1:]), data[path[0]]
    entry = part
    if part == "hosts" and rest:
        entry, here = f"host {rest[0]}", here[rest.pop(0)]
    elif part in {"people", "services"} and rest:
        number = rest.pop(0)
        here = here[number]
        name = here.get("name") if isinstance(here, dict) else None
        called = shown(name) if isinstance(name, str) else f"number {number + 1}"
        entry = f"{'person' if part == 'people' else 'service'} {called}"
    words = "host" if part == "hosts" and rest else ""
    for step in rest:
        here = here[step]
        if isinstance(step, int):
            name = here.get("name") if isinstance(here, dict) else None
            words += f"[{shown(name) if isinstance(name, str) else step + 1}]"
        else:
            words += f".{step}" if words else str(step)
    return entry, words


def nearest(word: str, known: Sequence[str]) -> str:
    """Return 'did you mean X? ' for the nearest known word, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}? " if close else ""


def branch(error: Any) -> Any:
    """Return the error of that alternative of an anyOf which has the value's own type, or the error itself."""
    if error.validator == "anyOf":
        wanted = "array" if isinstance(error.instance, list) else "string"
        own = [e for e in error.context if error.validator_value[e.schema_path[0]].get("type") == wanted]
        own = [e for e in own if "x-fix" in e.schema or e.validator == "uniqueItems"]
        if own and isinstance(error.instance, list | str):
            return min(own, key=lambda e: [str(step) for step in e.absolute_path])
    return error


def fix_for(error: Any) -> str:
    """Return what would be right in the place of a value that the schema refuses."""
    rule, wanted = error.validator, error.validator_value
    if rule == "enum":
        return f"{nearest(str(error.instance), wanted)}use one of: {', '.join(map(str, wanted))}"
    if rule == "uniqueItems":
        return "remove what is there twice"
    if rule in {"minimum", "maximum"}:
        return f"write a whole number from {error.schema.get('minimum')} to {error.schema.get('maximum')}"
    if "x-fix" in error.schema:
        return str(error.schema["x-fix"])
    if rule == "minItems":
        return "name at least one"
    return f"write {TYPES.get(str(wanted), 'another value')}"


def shape_mistakes(data: dict[str, Any], check: Any) -> Iterator[dict[str, str]]:
    """Yield one mistake for each thing that the schema refuses."""
    told: set[tuple[Any, ...]] = set()
    for found in check.iter_errors(data):
        error = branch(found)
        path, rule = list(error.absolute_path), error.validator
        place = (*path, rule if rule in {"required", "additionalProperties"} else "value")
        if place in told:
            continue
        told.add(place)
        entry, key = place_of(data, path)
        if rule == "additionalProperties":
            known = sorted(error.schema.get("properties", {}))
            for extra in sorted(set(error.instance) - set(known)):
                fix = f"{nearest(extra, known)}known here: {', '.join(known)}"
                yield mistake(entry, f"{key}.{shown(extra)}" if key else shown(extra), "an unknown key", fix)
        elif rule == "required":
            for missing in (name for name in error.validator_value if name not in error.instance):
                part = error.schema.get("properties", {}).get(missing, {})
                example = (part.get("examples") or [None])[0]
                fix = (
                    "write verified: {by: NAME, on: YYYY-MM-DD}"
                    if missing == "verified"
                    else f"add it, for example {missing}: {shown(example)}"
                )
                yield mistake(entry, f"{key}.{missing}" if key else missing, "nothing", fix)
        elif "propertyNames" in error.absolute_schema_path:
            yield mistake(entry, f"{key}.{shown(error.instance)}", "an impossible name", fix_for(error))
        elif rule == "oneOf":
            kinds = [name for branch in error.validator_value for name in branch["required"]]
            yield mistake(
                entry,
                key,
                ", ".join(name for name in kinds if name in error.instance) or "none of them",
                fix_for(error),
            )
        else:
            # An environment may hold a secret by mistake: its values are not repeated.
            yield mistake(entry, key, "(not shown)" if ".env" in f".{key}" else shown(error.instance), fix_for(error))


def mistake(entry: str, key: str, value: str, fix: str) -> dict[str, str]:
    """Return one mistake in the form that all *_mistakes filters share."""
    return {"level": "mistake", "entry": entry, "key": key, "value": value, "fix": fix}


def data_mistakes(raw: Any, schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the mistakes of shape in an environment as [{level, entry, key, value, fix}], sorted.

    Never raises on any data.
    raw: as for `catalogue`, and `variables: {host: [names]}`, the names of each host's variables, so that connection
    variables are found. schema: the JSON Schema of the four names.
    """
    found: list[dict[str, str]] = []
    if not isinstance(raw, Mapping):
        return [mistake("inventory", "", type(raw).__name__, "hand over {people, services, policy, hosts, groups}")]
    data = environment(raw)
    found += shape_mistakes(data, validator(whole_schema(schema)))
    if data["hosts"] == {}:
        found.append(
            mistake("inventory", "hosts", "none", "declare at least one host, with `host` in its host_vars file")
        )
    names = raw.get("variables")
    for host, variables in names.items() if isinstance(names, Mapping) else ():
        held = {str(name) for name in variables} if isinstance(variables, Sequence) else set()
        # Once the contact role has found the login in this run, it sets these itself.
        for name in sorted(set(CONNECTION) & held) if "contact_found" not in held else ():
            found.append(
                mistake(f"host {host}", name, "set in the inventory", f"remove it and write {CONNECTION[name]}")
            )
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"data_mistakes": data_mistakes}
