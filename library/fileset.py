#!/usr/bin/python
"""Documentation of the action plugin of the same name; the guard's program does the work on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fileset
short_description: Put the files and units of one concern in place, in one remote call
description:
  - For what guards no door; what could lock the operator out goes through M(guard_stage) and M(guard_commit).
  - All files are rendered on the controller and compared on the host. Where anything differs, the whole change is
    rehearsed in a private mount namespace and judged there by O(validate), then swapped in by renames.
  - In this order - files, C(daemon-reload) when unit files changed, O(handlers), O(units). A failure puts
    everything back and tells why.
  - What this concern put in place before and does not declare any more is removed. A run that was killed is finished
    by the next one, its handlers included.
author: [holdfast]
options:
  concern:
    description: Name of what the files belong to.
    type: str
    required: true
  files:
    description: The files that the concern needs, whole. Their owners have to exist.
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
  prune:
    description: Patterns of files that the concern owns, whoever put them there; what is not in O(files) is removed.
    type: list
    elements: path
    default: []
  validate:
    description: Commands that judge the change while it is rehearsed.
    type: list
    elements: list
    default: []
  handlers:
    description: Commands that follow a change, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      paths: {description: Patterns of the files whose change it follows., type: list, elements: str, required: true}
      argv: {description: The command., type: list, elements: str, required: true}
  units:
    description: Unit states that belong to the concern.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Unit with its suffix., type: str, required: true}
      enabled: {description: Whether it starts at boot; unset leaves it., type: bool}
      active: {description: Whether it runs now; unset leaves it., type: bool}
      masked: {description: Whether it is masked; unset leaves it., type: bool}
  look_for:
    description: Paths of which the caller wants to know whether they are there, so that no call is needed to ask.
    type: list
    elements: path
    default: []
  intact:
    description:
      - RV(intact) of a call earlier in the same run after which nothing on the host was changed. What is asked for here
        and lies there as it was put needs no call then.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep the journal, within bounds
  fileset:
    concern: journal
    files:
      - {path: /etc/systemd/journald.conf.d/60-holdfast.conf, template: journald.conf.j2}
    handlers:
      - {paths: [/etc/systemd/journald.conf.d/*], argv: [systemctl, restart, systemd-journald.service]}
"""

RETURN = r"""
did:
  description: Each change in words, and what the handlers said.
  type: list
  elements: str
  returned: when something changed
absent: {description: What of O(look_for) was not there at the start., type: list, elements: str, returned: success}
intact:
  description: >-
    Of every concern that lies as it was put in place, the C(digest) of the order that it came from, and C(absent).
  type: dict
  returned: when nothing differs
would: {description: The same in check mode., type: list, elements: str, returned: in check mode}
"""
