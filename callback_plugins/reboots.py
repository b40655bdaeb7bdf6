"""Tell at the end of a run which hosts need a reboot."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.template import Templar, trust_as_template

DOCUMENTATION = r"""
name: reboots
type: aggregate
short_description: Tell at the end of a run which hosts need a reboot
description:
  - Lists the hosts that told in this run that they need a reboot, with the reason and when it comes.
  - A task could not. Ansible ends a playbook as soon as every host of a play has failed, and a series at a host that
    cannot be entered; callbacks are told of the end of such a run too.
  - Makes no remote call, and says nothing where no host told anything.
"""
# What the answers are registered as that RV(updates_heard) of the wiring page is made of.
ANSWERS = frozenset({"updates_placed", "updates_pending", "updates_run"})
TEMPLATE = "{{ dict(told | zip(told | map('extract', hostvars, 'updates_heard'))) | reboot_list }}"


class CallbackModule(CallbackBase):
    """Takes part in every run that uses the project's ansible.cfg."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "reboots"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: set[str] = set()
        self.play: Any = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Keep what knows the hosts' variables."""
        self.play = play

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a host that answered."""
        if result.task.register in ANSWERS:
            self.told.add(result.host.get_name())

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        """List those that need a reboot."""
        if not self.told:
            return
        manager = self.play.get_variable_manager()
        variables = {**manager.get_vars(play=self.play), "told": sorted(self.told)}
        lines = Templar(self.play.get_loader(), variables=variables).template(trust_as_template(TEMPLATE))
        if lines:
            self._display.display("\n".join(["Need a reboot:", *(f"  {line}" for line in lines), ""]))
