#!/usr/bin/python
"""Host half of guard_commit: keep the guard's program current and hand it the order."""

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
closed: {description: Accounts that this commit closed., type: list, elements: str, returned: success}
tries:
  description: "The fresh logins: seconds since arming and how each ended."
  type: list
  elements: str
  returned: when armed
reverted: {description: Whether the host put itself back., type: bool, returned: when armed}
host_log: {description: The host's own account of the revert., type: list, elements: str, returned: when reverted}
"""

import base64
import json
import os
import subprocess
import tempfile
import zlib

from ansible.module_utils.basic import AnsibleModule

FOLDER = "/usr/local/lib/holdfast"
UNIT = "/etc/systemd/system/holdfast-guard.service"
PLACES = {
    "program": (f"{FOLDER}/guard", 0o755),
    "revert": (f"{FOLDER}/guard-revert", 0o755),
    "boot": (f"{FOLDER}/guard-boot", 0o755),
    "unit": (UNIT, 0o644),
}


def content(path: str) -> bytes | None:
    """Content of a file, or None."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def outdated(parts: dict[str, bytes]) -> list[str]:
    """Those of the guard's own files that differ on the host."""
    return [name for name, data in parts.items() if content(PLACES[name][0]) != data]


def install(parts: dict[str, bytes], stale: list[str]) -> None:
    """Bring the guard's own files up to date, each by a durable rename."""
    if stale:
        os.makedirs(FOLDER, mode=0o755, exist_ok=True)
        os.chmod(FOLDER, 0o755)
    for name in stale:
        path, mode = PLACES[name]
        with open(f"{path}.new", "wb") as handle:
            handle.write(parts[name])
            handle.flush()
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
        os.rename(f"{path}.new", path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    link = f"/etc/systemd/system/sysinit.target.wants/{os.path.basename(UNIT)}"
    if "unit" in stale or not os.path.islink(link):
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "--quiet", "enable", os.path.basename(UNIT)], check=True)


def hand_over(program: str, verb: str, order: dict[str, object]) -> subprocess.CompletedProcess[bytes]:
    """Run the guard's program with the order on its standard input; by name, since /run may be mounted noexec."""
    text = json.dumps(order).encode()
    argv = ["/usr/bin/python3", "-IS", program, verb]
    return subprocess.run(argv, input=text, capture_output=True, check=False)


def main() -> None:
    """Entry point; the action plugin fills the one argument."""
    module = AnsibleModule({"payload": {"type": "str", "required": True, "no_log": True}}, supports_check_mode=True)
    order = json.loads(zlib.decompress(base64.b64decode(module.params["payload"])))
    verb = order.pop("verb")
    parts = {name: base64.b64decode(data) for name, data in order.pop("parts").items()}
    stale = outdated(parts)
    if module.check_mode:
        with tempfile.NamedTemporaryFile(dir="/run", prefix="holdfast-guard-", delete=False) as handle:
            handle.write(parts["program"])
        try:
            done = hand_over(handle.name, verb, order)
        finally:
            os.unlink(handle.name)
    else:
        try:
            install(parts, stale)
        except (OSError, subprocess.SubprocessError) as error:
            module.fail_json(msg=f"the guard's program could not be installed, nothing was changed: {error}")
        done = hand_over(PLACES["program"][0], verb, order)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        text = done.stderr.decode(errors="replace").strip()[-1500:]
        answer = {"failed": True, "msg": f"the guard's program ended with {done.returncode}: {text}"}
    if stale:
        said = "bring the guard's own program up to date"
        answer["changed"] = True
        answer.setdefault("would" if module.check_mode else "did", []).insert(0, said)
    if answer.pop("failed", False):
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
