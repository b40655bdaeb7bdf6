# The documentation of the action plugin of the same name: nothing here runs on a host.
"""Log in over a new connection and report how it went."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fresh_login
short_description: Log in over a connection of its own and report how it went
description:
  - Opens a new SSH connection that shares nothing with the one that Ansible holds open, and runs one command on it.
  - The connection keeps the key, the jump host and the pinned host keys of the present one; connection sharing is off
    even where the user's own configuration turns it on.
  - Runs on the controller. The host needs no Python.
options:
  user:
    description: Account to log in as. Without it, the present connection's.
    type: str
  port:
    description: Port to connect to. Without it, the present connection's.
    type: int
  command:
    description: Shell command to run after the login.
    type: str
    default: "true"
  timeout:
    description: Seconds for the connection and its handshake.
    type: int
    default: 5
  become:
    description: Run the command as root by sudo, with the become password of the host when there is one.
    type: bool
    default: false
  host_key_policy:
    description:
      - C(yes) accepts a pinned host key only, C(accept-new) one that was never seen too.
      - By default C(yes). There is no way to switch the checking off.
    type: str
    choices: ["yes", accept-new]
notes:
  - Only the ssh connection is supported.
author:
  - holdfast
"""

EXAMPLES = r"""
- name: See that the admin of the next run gets in
  fresh_login:
    user: alice
    port: 2222
    command: "true"
    become: true
"""

RETURN = r"""
outcome:
  description:
    - How the login went. C(ok) means that the command ran, whatever its exit code.
  type: str
  returned: always
  sample: denied
  choices: [ok, throttled, host key, refused, no answer, denied, account refused, sudo failed, closed, other]
rc:
  description: Exit code of the command, or 255 when ssh failed.
  type: int
  returned: always
stdout:
  description: What the command wrote.
  type: str
  returned: always
stderr:
  description: What the command and ssh complained of.
  type: str
  returned: always
fingerprint:
  description:
    - SHA256 fingerprint of the key that the host accepted. With C(no answer) it waited for a signature by it.
  type: str
  returned: when a key was accepted
host_key:
  description: Type and SHA256 fingerprint of the host key that was offered.
  type: dict
  returned: when the host answered
retry:
  description: Whether waiting may mend the failure.
  type: bool
  returned: always
"""
