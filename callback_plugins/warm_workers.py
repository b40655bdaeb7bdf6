"""Load once, before Ansible forks, what every forked worker would otherwise load anew."""

from __future__ import annotations

import gc
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar, trust_as_template

DOCUMENTATION = r"""
name: warm_workers
type: aggregate
short_description: Load filters, tests and connection plugins before the workers are forked
description:
  - Ansible forks a worker for each task of each host. Its main process renders nothing, so each worker imports the
    filters, and the libraries behind them, for itself.
  - This renders one template at the start of a run, and takes what is loaded then out of the garbage collector's sight,
    so that workers share its memory.
  - Measured on two cores, a C(site.yml) run that changes nothing, medians of three. One host 2.5 s without and 2.1 s
    with it, eight hosts 7.7 s and 6.6 s.
"""
TEMPLATE = "{{ ('warm' | hash('sha256')) is match('[0-9a-f]') }}"


class CallbackModule(CallbackBase):
    """Takes part in every run that uses the project's ansible.cfg."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "warm_workers"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Render one template before the first worker is forked."""
        del playbook
        connection_loader.get("ssh", class_only=True)
        become_loader.get("sudo", class_only=True)
        Templar(DataLoader()).template(trust_as_template(TEMPLATE))
        gc.collect()
        gc.freeze()
