"""Count what reaches the hosts."""

from __future__ import annotations

import functools
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.connection.ssh import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: remote_calls
type: aggregate
short_description: Count remote calls per host
description:
  - Counts every command and every file transfer that goes over an SSH connection, per host. A pipelined module is one
    call; what an action plugin does besides its module counts too.
  - Prints one line at the end. With E(HOLDFAST_CALLS_FILE) set, the numbers are also written there as JSON.
requirements: [enable it by ANSIBLE_CALLBACKS_ENABLED=remote_calls]
"""


class CallbackModule(CallbackBase):
    """Counts on the connection itself, because one task may make no call or several."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "remote_calls"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spent: Counter[str] = Counter()
        self.running: tuple[str, float] | None = None
        # Workers are forked: a file in append mode is what they and this process share.
        handle, name = tempfile.mkstemp(prefix="holdfast-calls-")
        os.close(handle)
        self.log = Path(name)
        for method in ("exec_command", "put_file", "fetch_file"):
            setattr(Connection, method, self._counted(getattr(Connection, method)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        log = self.log

        @functools.wraps(method)
        def counted(connection: Any, *args: Any, **kwargs: Any) -> Any:
            with log.open("a", encoding="utf-8") as handle:
                handle.write(f"{connection.get_option('host')}\n")
            return method(connection, *args, **kwargs)

        return counted

    def _end_task(self) -> None:
        if self.running:
            name, began = self.running
            self.spent[name] += time.monotonic() - began  # type: ignore[assignment]

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002
        """Note which task costs the time from now on."""
        self._end_task()
        self.running = (task.get_name(), time.monotonic())

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        """Print the counts, and write them where E(HOLDFAST_CALLS_FILE) says."""
        self._end_task()
        calls = Counter(self.log.read_text(encoding="utf-8").split())
        self.log.unlink(missing_ok=True)
        worst = max(calls.values(), default=0)
        slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.spent.most_common(3))
        self._display.display(f"remote calls: at most {worst} per host, {calls.total()} in all; slowest: {slow}")
        if target := os.environ.get("HOLDFAST_CALLS_FILE"):
            data = {
                "per_host": calls,
                "most": worst,
                "tasks": {name: round(spent, 2) for name, spent in self.spent.items()},
            }
            Path(target).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
