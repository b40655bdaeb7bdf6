"""Put a set of files and units of one concern in place, in one remote call."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ansible.plugins.action import ActionBase

HANDLER = {
    "paths": {"type": "list", "elements": "str", "required": True},
    "argv": {"type": "list", "elements": "str", "required": True},
}
# The rest is as guard_stage takes it.
OWN = {
    "handlers": {"type": "list", "elements": "dict", "default": [], "options": HANDLER},
    "look_for": {"type": "list", "elements": "path", "default": []},
    "intact": {"type": "dict", "default": {}},
}
SHARED = ("concern", "files", "prune", "validate", "units")


class ActionModule(ActionBase):
    """Rendered on the controller, carried, compared, rehearsed and swapped in by the guard's program on the host."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the program on the host did, or would do."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        stage, commit = self._helper("guard_stage"), self._helper("guard_commit")
        _spec, args = self.validate_argument_spec({**{name: stage.spec[name] for name in SHARED}, **OWN})
        intact = args.pop("intact")
        order = {**args, "files": stage.rendered(args["files"], variables)}
        digest = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
        known = intact.get(order["concern"], {})
        if known.get("digest") == digest:
            result.update(changed=False, absent=known["absent"])
        else:
            result.update(commit.hand_over("apply", {**order, "digest": digest}, variables))
            # Secrets are a part of what the digests are made of, so -v does not print them.
            result["_ansible_verbose_override"] = "intact" in result
        return result

    def _helper(self, name: str) -> Any:
        """Return another action plugin for this task."""
        return self._shared_loader_obj.action_loader.get(
            name,
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
