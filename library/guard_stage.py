#!/usr/bin/python
"""Documentation of the action plugin of the same name; nothing runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard_stage
short_description: Prepare a concern's files for the guarded commit
description:
  - Renders files on the controller and keeps them for M(guard_commit). No host is contacted.
  - What is staged for one concern replaces what was staged for it before. Nothing that an earlier run has staged is
    committed, also where a fact cache has kept it.
author: [holdfast]
options:
  concern:
    description: Name of what the files belong to; C(ssh), C(firewall), C(access).
    type: str
    required: true
  files:
    description: The files that the concern needs, whole.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where the file goes live., type: path, required: true}
      template: {description: Template to render., type: str}
      content: {description: Literal content., type: str}
      source:
        description:
          - A file of the role's C(files), put there as it is.
          - Or a folder there, each Python module of which is put under O(files[].path) with this owner, group and mode.
        type: str
      owner: {description: Owner., type: str, default: root}
      group: {description: Group., type: str, default: root}
      mode: {description: Mode as an octal string., type: str, default: "0644"}
      vars: {description: Variables for this template only., type: dict, default: {}}
      secret: {description: Keep the content out of diffs., type: bool, default: false}
  prepared:
    description: Files that lie ready on the host, as a host may name them. Root's, and never rendered here.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where the file goes live., type: path, required: true}
      from_host: {description: Where it lies ready., type: path, required: true}
      mode: {description: Mode as an octal string., type: str, default: "0644"}
      secret: {description: Keep the content out of diffs., type: bool, default: false}
  prune:
    description: Patterns of files that the concern owns; what matches and is not in O(files) is removed by the commit.
    type: list
    elements: path
    default: []
  validate:
    description: Commands that judge the change while it is rehearsed in a private mount namespace.
    type: list
    elements: list
    default: []
  reload:
    description: Units to reload when a file of the concern changed. V(ssh) is also seen to listen.
    type: list
    elements: str
    default: []
  units:
    description: Unit states that belong to the change.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Unit with its suffix., type: str, required: true}
      enabled: {description: Whether it starts at boot; unset leaves it., type: bool}
      active: {description: Whether it runs now; unset leaves it., type: bool}
      masked: {description: Whether it is masked; unset leaves it., type: bool}
  sysctl:
    description: Kernel settings, as strings by key.
    type: dict
    default: {}
  tables:
    description:
      - nftables tables (family and name) that a revert puts back, and that the first unit of O(reload) loads.
      - A table that was changed by hand since the last commit is loaded anew.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Stage the SSH server's configuration
  guard_stage:
    concern: ssh
    files:
      - {path: /etc/ssh/sshd_config.d/00-holdfast.conf, template: sshd.conf.j2, mode: "0600"}
    validate: [[/usr/sbin/sshd, -t]]
    reload: [ssh]
"""

RETURN = r"""
paths: {description: Paths that were staged., type: list, elements: str, returned: success}
"""
