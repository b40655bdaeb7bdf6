#!/usr/bin/python
"""Documentation of the action plugin of the same name; the guard's program does the work on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: Create accounts and groups, or end closed accounts, in one call
description:
  - With O(state=present), missing groups and accounts are created and nothing else is touched. A new account has no
    password and is in no supplementary group, so it opens no door. Memberships, expiry and passwords are
    M(guard_commit)'s.
  - With O(state=closed), accounts that M(guard_commit) has closed are ended. Their sessions are killed, and their
    lingering, crontab and jobs of C(at) are removed; an account that this module created, or the provider's, is
    deleted, and its home directory moved aside, for root only. One in which a file system is mounted stays in its
    place, for root only. Its set-uid files in C(/tmp), C(/var/tmp) and C(/dev/shm) are removed.
  - Which accounts were created here is kept in C(/var/lib/holdfast/access/created.json), and beside it, in
    C(numbers.json), the highest number of a person's account or group. A new account's is above it.
options:
  state:
    description: Which of the two.
    type: str
    choices: [present, closed]
    default: present
  groups:
    description: System groups that shall exist.
    type: list
    elements: str
    default: []
  accounts:
    description: Accounts that are declared. With O(state=closed) they are never ended.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Account name., type: str, required: true}
      shell: {description: Login shell., type: str, default: /bin/bash}
  keep:
    description: Undeclared accounts that stay untouched.
    type: list
    elements: str
    default: []
  ended:
    description: Declared accounts whose time is over. Their sessions end; they are not deleted.
    type: list
    elements: str
    default: []
  first_user:
    description: The provider's account, deleted as if it had been created here. Never root.
    type: str
    default: root
  present_user:
    description: Account of the present connection. It is never ended.
    type: str
    required: true
author: [holdfast]
"""

EXAMPLES = r"""
- name: Create the accounts
  accounts:
    groups: [holdfast-ssh, holdfast-admin]
    accounts: [{name: alice}]
    present_user: root
"""

RETURN = r"""
did: {description: Each change in words., type: list, elements: str, returned: not in check mode}
would: {description: The same in check mode., type: list, elements: str, returned: in check mode}
undeclared:
  description: Undeclared accounts that are not ended yet, closed or to be closed.
  type: list
  elements: str
  returned: always
foreign_sudo:
  description: Rules outside holdfast's that grant sudo rights, with file and line.
  type: list
  elements: str
  returned: with state present
"""
