"""Render a concern's files on the controller and keep them for the guarded commit."""

from __future__ import annotations

import base64
import os
from typing import Any

from ansible import constants as C  # noqa: N812 (its name everywhere in Ansible)
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars, trust_as_template

FILE = {
    "path": {"type": "path", "required": True},
    "template": {"type": "str"},
    "content": {"type": "str"},
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
        "mutually_exclusive": [("template", "content")],
        "required_one_of": [("template", "content")],
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
        kept: dict[str, Any] = variables.get("ansible_facts", {}).get("guard_staged", {})
        return dict(kept.get(THIS_RUN, {}))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return this run's concerns as the fact ``guard_staged``, this one replaced."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        files = [self.entry(entry, variables) for entry in args.pop("files")]
        files += [
            {**entry, "owner": "root", "group": "root", "mode": int(entry["mode"], 8)} for entry in args.pop("prepared")
        ]
        staged = self.staged(variables)
        staged[args.pop("concern")] = {**args, "files": files}
        result.update(changed=False, paths=[entry["path"] for entry in files])
        result["ansible_facts"] = {"guard_staged": {THIS_RUN: staged}}
        return result

    def entry(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Turn one entry into what the host needs: path, owner, group, mode and base64 data."""
        made = {key: entry[key] for key in ("path", "owner", "group", "secret")}
        made["mode"] = int(entry["mode"], 8)
        text = entry["content"] if entry["content"] is not None else self._render(entry, variables)
        return {**made, "data": base64.b64encode(text.encode()).decode()}

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
