"""Render a concern's files on the controller and keep them for the guarded commit."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

from ansible import constants as C  # noqa: N812 (its name everywhere in Ansible)
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars, trust_as_template

FILE = {
    "path": {"type": "path", "required": True},
    "template": {"type": "str"},
    "content": {"type": "str"},
    "source": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "vars": {"type": "dict", "default": {}},
    "secret": {"type": "bool", "default": False},
}
# Apart from the rest, since a host names these: it could name a template, which may be any file of this machine.
PREPARED = {
    "path": {"type": "path", "required": True},
    "from_host": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "secret": {"type": "bool", "default": False},
}
UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "active": {"type": "bool"},
    "masked": {"type": "bool"},
}
SPEC = {
    "concern": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": FILE,
        "mutually_exclusive": [("template", "content", "source")],
        "required_one_of": [("template", "content", "source")],
    },
    "prepared": {"type": "list", "elements": "dict", "default": [], "options": PREPARED},
    "prune": {"type": "list", "elements": "path", "default": []},
    "validate": {"type": "list", "elements": "list", "default": []},
    "reload": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
    "sysctl": {"type": "dict", "default": {}},
    "tables": {"type": "list", "elements": "str", "default": []},
}
# The temporary directory of the controller's process: each run has its own, and its forked workers share it.
THIS_RUN: str = C.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]


class ActionModule(ActionBase):
    """Controller only: the host is not contacted."""

    _supports_check_mode = True
    _supports_async = False
    # For another action plugin that renders files with this one: plugins cannot import each other.
    spec = SPEC

    @staticmethod
    def staged(variables: dict[str, Any]) -> dict[str, Any]:
        """Return the concerns that this very run has staged for a host, by name.

        A fact cache (ANSIBLE_CACHE_PLUGIN) outlives a run, and what was staged days ago may no longer be true.
        """
        kept: dict[str, dict[str, str]] = variables.get("ansible_facts", {}).get("guard_staged", {})
        return {concern: json.loads(text) for concern, text in kept.get(THIS_RUN, {}).items()}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return this run's concerns as the fact ``guard_staged``, this one replaced."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        files = self.rendered(args.pop("files"), variables)
        files += [
            {**entry, "owner": "root", "group": "root", "mode": int(entry["mode"], 8)} for entry in args.pop("prepared")
        ]
        staged = {**self.staged(variables), args.pop("concern"): {**args, "files": files}}
        result.update(changed=False, paths=[entry["path"] for entry in files])
        # Text: Ansible copies facts, part by part, for each task of each host that follows.
        result["ansible_facts"] = {"guard_staged": {THIS_RUN: {name: json.dumps(one) for name, one in staged.items()}}}
        return result

    def rendered(self, entries: list[dict[str, Any]], variables: dict[str, Any]) -> list[dict[str, Any]]:
        """Turn entries into what the host needs of each file: path, owner, group, mode and base64 data."""
        made: dict[str, dict[str, Any]] = {}
        for entry in entries:
            kept = {key: entry[key] for key in ("owner", "group", "secret")}
            for path, text in self._texts(entry, variables):
                if path in made:
                    raise AnsibleActionFail(
                        f"{path} is listed twice: of its two contents, owners and modes one would be lost"
                    )
                data = base64.b64encode(text.encode()).decode()
                made[path] = {**kept, "path": path, "mode": int(entry["mode"], 8), "data": data}
        return list(made.values())

    def _texts(self, entry: dict[str, Any], variables: dict[str, Any]) -> list[tuple[str, str]]:
        """Return (path, text) of the files that an entry stands for: one, or those of a folder."""
        path: str = entry["path"]
        if entry["content"] is not None:
            return [(path, entry["content"])]
        if entry["template"] is not None:
            return [(path, self._render(entry, variables))]
        try:
            source = self._find_needle("files", entry["source"])
        except AnsibleError as error:
            raise AnsibleActionFail(f"{path}: {error}") from error
        if not os.path.isdir(source):
            return [(path, self._loader.get_text_file_contents(source))]
        names = sorted(name for name in os.listdir(source) if re.fullmatch(r"\w+\.py", name))
        if not names:  # a set without them would take away what the host has
            raise AnsibleActionFail(f"{path}: the folder {source} has no Python module")
        return [
            (os.path.join(path, name), self._loader.get_text_file_contents(os.path.join(source, name)))
            for name in names
        ]

    def _render(self, entry: dict[str, Any], variables: dict[str, Any]) -> str:
        """Render one template as ansible.builtin.template does."""
        try:
            source = self._find_needle("templates", entry["template"])
        except AnsibleError as error:
            raise AnsibleActionFail(f"{entry['path']}: {error}") from error
        places = [*variables.get("ansible_search_path", []), self._loader.get_basedir(), os.path.dirname(source)]
        templar = self._templar.copy_with_new_env(
            searchpath=[path for place in places for path in (os.path.join(place, "templates"), place)],
            available_variables={
                **variables,
                **generate_ansible_template_vars(entry["template"], source, entry["path"]),
                **entry["vars"],
            },
        )
        try:
            text = templar.template(
                trust_as_template(self._loader.get_text_file_contents(source)),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "lstrip_blocks": True, "newline_sequence": "\n"},
            )
        except AnsibleError as error:
            raise AnsibleActionFail(f"{entry['path']}: the template {source} did not render: {error}") from error
        return "" if text is None else str(text)
