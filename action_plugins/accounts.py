"""Create accounts before the guarded commit, and end the closed ones after it: each in one remote call."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

SPEC = {
    "state": {"type": "str", "choices": ["present", "closed"], "default": "present"},
    "groups": {"type": "list", "elements": "str", "default": []},
    "accounts": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "shell": {"type": "str", "default": "/bin/bash"},
        },
    },
    "keep": {"type": "list", "elements": "str", "default": []},
    "ended": {"type": "list", "elements": "str", "default": []},
    "first_user": {"type": "str", "default": "root"},
    "present_user": {"type": "str", "required": True},
}
CLOUD_INIT = "/etc/sudoers.d/90-cloud-init-users:"


class ActionModule(ActionBase):
    """Hand the order to the guard's program on the host, and warn of what it found."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the program on the host did, or would do."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        commit = self._shared_loader_obj.action_loader.get(
            "guard_commit",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result.update(commit.hand_over("people", args, variables))
        for rule in result.get("foreign_sudo", []):
            if not rule.startswith(CLOUD_INIT):  # its account is closed with the provider's others
                self._display.warning(f"{variables['inventory_hostname']}: not holdfast's, left as it is: {rule}")
        return result
