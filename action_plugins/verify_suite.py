"""verify_suite: run the verification on the controller, and hand it the sudo password of each host.

An action plugin, because what ``-K`` asked for is known to no variable. The passwords go over standard input:
arguments and environments can be read by others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

ROOT = Path(__file__).parent.parent


class ActionModule(ActionBase):
    """Nothing of it runs on a host of the play: the suite makes its own connections."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the suite to its end; return its exit code and what it said. A broken promise does not fail the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(
            {
                "hosts": {"type": "list", "elements": "str", "required": True},
                "shut_out": {"type": "dict", "default": {}},
                "arguments": {"type": "list", "elements": "str", "default": []},
            }
        )
        login = self._fresh_login()
        # Much of a reason is a host's word. One that no argument can hold would end the suite for all hosts, and so
        # would one that looks like an option.
        shut_out = {name: login.one_line(str(why)) for name, why in args["shut_out"].items() if why}
        reasons = [
            word for name, why in shut_out.items() for word in ("--shut-out", name, why.lstrip("-") or "unknown")
        ]
        passwords = {
            host: secret
            for host in args["hosts"]
            if (secret := login.become_password((task_vars or {})["hostvars"][host]))
        }
        suite = [sys.executable, "-m", "verify", "--sudo-passwords-stdin", *args["arguments"], *reasons]
        done = subprocess.run(
            [*suite, "--host", *args["hosts"]],
            cwd=ROOT,
            # Options for somebody's own tests would choose among the promises.
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            input=json.dumps(passwords),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        lines = {"stdout_lines": done.stdout.splitlines(), "stderr_lines": done.stderr.splitlines()}
        # Not as `rc`, by which Ansible would fail the task before the result was shown.
        return {**result, "changed": False, "exit_code": done.returncode, **lines}

    def _fresh_login(self) -> Any:
        """Return the action that knows passwords and how to print a host's word."""
        return self._shared_loader_obj.action_loader.get(
            "fresh_login",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
