#!/usr/bin/python
"""Documentation of the action plugin of the same name; roles/guard/files holds what runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard_commit
short_description: Bring everything that guards the door live in one guarded commit
description:
  - Compares what M(guard_stage) prepared, and the declared accounts, with the host; without a difference nothing
    happens.
  - Otherwise the change is rehearsed, the old state saved, a revert armed, the change swapped in and reloaded, sshd
    seen to listen, and a fresh login made as the account and on the port of the next run. Only that login's
    C(confirm) keeps the change. A login that is refused for good makes the host put itself back at once; no login at
    all, after
    O(seconds).
  - In check mode it says what would happen, and rehearses it.
author: [holdfast]
options:
  login:
    description: The next run's login.
    type: dict
    required: true
    suboptions:
      user: {description: Account., type: str, required: true}
      port: {description: TCP port., type: int, required: true}
  present_user:
    description: Account of the present connection; a revert never takes it for somebody who may not come back.
    type: str
    required: true
  accounts:
    description: Every declared account of the host; others in the range of people's uids are closed.
    type: list
    elements: dict
    suboptions:
      name: {description: Account name., type: str, required: true}
      groups: {description: Exactly its supplementary groups., type: list, elements: str, required: true}
      shell: {description: Login shell., type: str, default: /bin/bash}
      expires: {description: "Last day on which it is valid, C(YYYY-MM-DD), UTC.", type: str}
      password: {description: Whether it has a password; the hash comes from O(passwords)., type: bool, default: false}
      kind: {description: For readers only., type: str}
      sudo: {description: For readers only., type: str}
  passwords:
    description: crypt(3) hashes by account name.
    type: dict
    default: {}
  keep:
    description: Undeclared accounts that stay untouched.
    type: list
    elements: str
    default: []
  sysctl_files:
    description:
      - Files of C(sysctl.d) on the host, with settings that guard no door. One that was changed by hand is mended with
        the commit, and not taken back by a revert.
      - What the kernel refuses, as in a container, is told and ends nothing.
    type: list
    elements: path
    default: []
  seconds:
    description: Time after which the host puts itself back.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Commit
  guard_commit:
    login: {user: alice, port: 22}
    present_user: root
    accounts: [{name: alice, groups: [holdfast-ssh, holdfast-admin], expires: "2027-06-30"}]
"""

RETURN = r"""
did: {description: Each change in words., type: list, elements: str, returned: when something changed}
would: {description: The same in check mode., type: list, elements: str, returned: in check mode}
refused: {description: Kernel settings that stay otherwise., type: list, elements: str, returned: success}
closed: {description: Accounts that this commit closed., type: list, elements: str, returned: success}
tries:
  description: "The fresh logins: seconds since arming and how each ended."
  type: list
  elements: str
  returned: when armed
reverted: {description: Whether the host put itself back., type: bool, returned: when armed}
host_log: {description: The host's own account of the revert., type: list, elements: str, returned: when reverted}
"""
