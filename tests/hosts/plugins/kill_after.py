"""A callback that ends the whole run with SIGKILL after a number of tasks: nothing is tidied up, as after a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill_after
type: notification
short_description: Kill the session of ansible-playbook after so many tasks
description: For tests only. HOLDFAST_KILL_AFTER is the number; the file HOLDFAST_KILL_LOG tells which task it was.
"""


class CallbackModule(CallbackBase):
    """Counts tasks of real hosts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill_after"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        """Start counting."""
        super().__init__()
        self.ended = 0

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count a task that ended; at the chosen one, kill everything."""
        self.ended += 1
        if self.ended == int(os.environ["HOLDFAST_KILL_AFTER"]):
            Path(os.environ["HOLDFAST_KILL_LOG"]).write_text(str(result.task_name), encoding="utf-8")
            os.killpg(os.getpgid(0), signal.SIGKILL)
