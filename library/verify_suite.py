# The documentation of the action plugin of the same name: nothing here runs on a host.
"""Run the verification suite on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_suite
short_description: Run the verification suite on the controller
description:
  - Runs C(python -m verify) in the project's folder, with the Python that runs Ansible.
  - A broken promise does not fail the task. The exit code says so, and the report what was found.
  - Each host's sudo password, from its variables or from C(-K), is handed to the suite over standard input.
options:
  hosts:
    description: Names of the hosts to verify.
    type: list
    elements: str
    required: true
  shut_out:
    description: >-
      Why hosts cannot be entered, by name; these are not tried again. Hosts with an empty text are tried. Of a text
      1000 characters are shown, on one line.
    type: dict
    default: {}
  arguments:
    description: Arguments of the suite, see C(docs/how-to/verify.md).
    type: list
    elements: str
    default: []
author: [holdfast]
"""

EXAMPLES = r"""
- name: Verify every promise
  verify_suite:
    hosts: "{{ ansible_play_hosts_all }}"
    arguments:
      - --catalogue={{ inventory_dir }}/.holdfast/resolved.json
      - --ssh-config={{ inventory_dir }}/.holdfast/ssh_config
      - --report={{ inventory_dir }}/.holdfast/report
"""

RETURN = r"""
exit_code:
  description: Exit code of the suite; 0 when every promise is kept, 1 when one is not, else there is no verdict.
  type: int
  returned: always
stdout_lines: {description: What it said., type: list, elements: str, returned: always}
stderr_lines: {description: What it complained of., type: list, elements: str, returned: always}
"""
