"""The `variable_mistakes` lookup: mistakes in the role variables that the user sets beside the data."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.inventory.group import Group
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar
from ansible.vars.plugins import get_vars_from_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DOCUMENTATION = r"""
name: variable_mistakes
short_description: Mistakes in the role variables that the user sets beside the data
version_added: 0.1.0
author: [holdfast (@holdfast)]
description:
  - Judges what the user has set for any host (in the inventory or with C(-e)) of what the roles' argument_specs name.
    What the wiring page sets is made of judged data, and is left out.
  - A name that begins like a role's variables and is none of them is a mistake where it is nearly one, otherwise a
    warning.
  - A variable of the wiring page in the inventory's group C(all) is a mistake, as the page comes after it there.
  - So is another C(ansible_ssh_common_args) than the page's, wherever it is set.
  - A template is judged by what it gives. What it cannot give before the host is contacted is not judged.
  - Only the first look in a run counts, as the roles put what they find beside the variables later.
options:
  _terms:
    description: The folder of the roles.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Show the result
  ansible.builtin.debug:
    msg: "{{ query('variable_mistakes', 'roles') }}"
"""

RETURN = r"""
_raw:
  description: "[{level, entry, key, value, fix}]. level is mistake or warning."
  type: list
  elements: dict
"""

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "keys with values",
}
AFTER = (
    "the playbooks set it from the data, and come after the inventory's group all: correct the data, or set it for a "
    "group of your own, for a host, or with -e"
)
# The wiring page names the ssh_config of the runs in it. The contact brings that along itself, a fresh login does not.
WAY_IN = "ansible_ssh_common_args"
WAY_IN_FIX = (
    "remove it and write host.ssh.jump for a jump host, ansible_ssh_private_key_file for a key, and all else into your "
    "~/.ssh/config, which counts where holdfast says nothing"
)
SECRET = re.compile(r"passw|passphrase|secret|token|hash|private_key")


def told(value: Any, spec: Mapping[str, Any]) -> str:
    """Return a found value, or only what it is where it may hold a secret: in a text at will, a list, or keys."""
    if spec.get("type") in {"int", "float", "bool"} or (spec.get("type", "str") == "str" and "choices" in spec):
        if isinstance(value, str | int | float):
            return shown(value)
    elif isinstance(value, list) and "choices" in spec:
        return shown(value)
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "keys with values",
    }
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "nothing")


def shown(value: Any) -> str:
    """Return a short spelling of a found value. What looks like a private key is never repeated."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if "PRIVATE KEY" in text:
        return "(a private key, not shown: replace it, it is no secret any more)"
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: str, known: Sequence[str], cutoff: float = 0.5) -> str:
    """Return 'did you mean X? ' for the nearest known word, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"did you mean {close[0]}? " if close else ""


def fix_for(value: Any, spec: Mapping[str, Any]) -> str:
    """Return what would be right in the place of a value that the spec refuses."""
    if choices := [str(choice) for choice in spec.get("choices", ())]:
        several = "any of" if spec.get("type") == "list" else "one of"
        return f"{nearest(str(value), choices)}use {several}: {', '.join(choices)}"
    within = f", each of them {KINDS.get(spec['elements'], 'a text')}" if "elements" in spec else ""
    return f"write {KINDS.get(spec.get('type', 'str'), 'a text')}{within}"


def judged(key: str, value: Any, spec: Mapping[str, Any], *, secret: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yield (key, value, fix) for each thing in `value` that its spec refuses, at any depth."""
    secret = secret or spec.get("no_log") is True or SECRET.search(key) is not None
    # Level by level, so that each mistake has its own place and value.
    level = {word: said for word, said in spec.items() if word != "options"}
    result = ArgumentSpecValidator({key: level}).validate({key: value})
    if result.error_messages:
        yield key, "(not shown)" if secret else told(value, spec), fix_for("" if secret else value, spec)
        return
    options: Mapping[str, Any] | None = spec.get("options")
    whole = result.validated_parameters[key]
    if options is None or whole is None:
        return
    for place, item in (
        [(f"{key}[{n}]", i) for n, i in enumerate(whole, 1)] if spec["type"] == "list" else [(key, whole)]
    ):
        for name in sorted(map(str, item)):
            if name in options:
                yield from judged(f"{place}.{name}", item[name], options[name], secret=secret)
            else:
                yield (
                    f"{place}.{shown(name)}",
                    "an unknown key",
                    f"{nearest(name, list(options))}known here: {', '.join(options)}",
                )
        for name, option in options.items():
            if option.get("required") and name not in item:
                yield f"{place}.{name}", "nothing", "add it"


class LookupModule(LookupBase):
    """Controller only: no host is contacted."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **_kwargs: Any) -> list[dict[str, str]]:
        """Return every mistake once: of all hosts where they share it, otherwise by host."""
        variables = variables or {}
        roles = Path(terms[0]).resolve()
        names = sorted(path.name for path in roles.iterdir())
        wired = {
            name: value
            for path in sorted(Path(variables["playbook_dir"], "group_vars/all").glob("*.yml"))
            for name, value in self._read(path).items()
        }

        @cache
        def known(role: str) -> dict[str, Any]:
            """Return the specs of a role by variable; the other names that it takes have none."""
            entries = dict(self._read(roles / role / "meta/argument_specs.yml")["argument_specs"])
            main = entries.pop("main")
            rest = [name for name in {**self._read(roles / role / "defaults/main.yml"), **wired} if belongs(name, role)]
            return {
                **dict.fromkeys(rest),
                **{name: spec for entry in entries.values() for name, spec in entry.get("options", {}).items()},
                **main.get("options", {}),
            }

        hosts = list(variables["groups"]["all"])
        folders: set[str | None] = set()
        found: dict[tuple[str, str, str, str], list[str]] = {}
        for host in hosts:
            own = variables["hostvars"].raw_get(host)
            folders.add(own.get("inventory_dir"))
            if "preflight_catalogue" in own:
                continue
            templar = Templar(loader=self._loader, variables={**own, "hostvars": variables["hostvars"]})
            if WAY_IN in wired and own[WAY_IN] != wired[WAY_IN]:
                found.setdefault(("mistake", WAY_IN, "set beside the data", WAY_IN_FIX), []).append(host)
            for name in own:
                role = next((role for role in names if belongs(name, role)), None)
                if role is not None and (name not in wired or own[name] != wired[name]):
                    for mistake in _of(name, own[name], role, known(role), templar):
                        found.setdefault(mistake, []).append(host)
        return [
            {"level": "mistake", "entry": "group all", "key": name, "value": "a variable without effect", "fix": AFTER}
            for name in sorted(wired.keys() & self._of_all(variables["hostvars"], folders))
        ] + [
            {"level": level, "entry": entry, "key": key, "value": value, "fix": fix}
            for (level, key, value, fix), those in found.items()
            for entry in (["all hosts"] if len(those) == len(hosts) > 1 else [f"host {host}" for host in those])
        ]

    def _of_all(self, hostvars: Any, folders: Iterable[str | None]) -> set[str]:
        """Return the names that the inventory sets for the group of all hosts, in a file of the group or in its own."""
        # Nothing public tells what a group has once the hosts' variables are merged.
        names = set(hostvars._inventory.groups["all"].get_vars())
        for folder in filter(None, folders):
            names |= set(get_vars_from_path(self._loader, folder, [Group("all")], "task"))
        return names

    def _read(self, path: Path) -> dict[str, Any]:
        """Return a file of YAML, which Ansible has often read already."""
        loader: Any = self._loader
        read: dict[str, Any] = loader.load_from_file(str(path), unsafe=True, trusted_as_template=True) or {}
        return read


def belongs(name: str, role: str) -> bool:
    """Tell whether a variable has the prefix of `role`, and is not internal to it."""
    return name.startswith(f"{role}_") and not name.startswith(f"{role}__")


def any_text(spec: Mapping[str, Any]) -> bool:
    """Tell whether nothing can be wrong, so that no template is rendered: it may ask a store of passwords."""
    return spec.get("type", "str") == "str" and "choices" not in spec


def _of(
    name: str, raw: Any, role: str, known: Mapping[str, Any], templar: Templar
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (level, key, value, fix) for the mistakes of one variable."""
    if name not in known:
        near = nearest(name, sorted(known), cutoff=0.8)
        fix = f"{near}the variables of the role {role} begin with {role}_; for one of your own choose another beginning"
        yield "mistake" if near else "warning", name, "an unknown variable", fix
    elif (spec := known[name]) is not None and not any_text(spec):
        try:
            value = templar.template(raw)
        except AnsibleError:  # most often what only the host can tell
            return
        for mistake in judged(name, value, spec):
            yield "mistake", *mistake
