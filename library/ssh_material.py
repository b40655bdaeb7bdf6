#!/usr/bin/python
"""Host half of ``ssh_material``: prepare host keys and moduli, and name foreign sshd lines, in one call."""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import shutil
import stat
import struct
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.sshd_foreign import (  # type: ignore[import-not-found,unused-ignore]
    find_command_line,
    find_foreign,
)

DOCUMENTATION = r"""
module: ssh_material
short_description: Prepare strong SSH host keys and moduli beside the live ones
description:
  - Looks at the host's SSH host keys and at the moduli file, and generates what is missing or weak into a staging
    folder on the host. Nothing that sshd reads changes here; the guarded commit moves the staged files in.
  - Private keys never leave the host. The result names the public keys that sshd offers after the commit, so that
    they can be pinned on the controller over the session that is already trusted.
  - Names every line of sshd's configuration by other owners that touches who may log in.
  - Run again, it takes what it staged before. A staged copy whose key is live already is removed.
  - With O(pins), the host is not contacted. The controller's file is made to hold these keys alone.
version_added: "0.1.0"
options:
  key_types:
    description: Kinds of host key to offer, the preferred one first.
    type: list
    elements: str
    choices: [ed25519, rsa]
    default: [ed25519, rsa]
  rsa_bits:
    description: Length of an RSA key in bits. A shorter one is replaced.
    type: int
    default: 4096
  moduli_bits:
    description: Least length of a modulus in bits that is kept for the group exchange.
    type: int
    default: 3072
  directory:
    description: Folder of the live host keys.
    type: path
    default: /etc/ssh
  staging:
    description: Folder on the host for what is prepared, mode 0700.
    type: path
    default: /var/lib/holdfast/ssh
  moduli:
    description: Path of the filtered moduli, which the drop-in names. The package's own file stays as it is.
    type: path
    default: /etc/ssh/holdfast.moduli
  drop_in:
    description: Path of holdfast's own sshd drop-in, to judge what is read before and after it.
    type: path
    default: /etc/ssh/sshd_config.d/00-holdfast.conf
  known_hosts:
    description: File on the controller in which the public keys are pinned. Written by the controller's half.
    type: path
  host_alias:
    description: Name under which the keys are pinned. Required with O(known_hosts).
    type: str
  pins:
    description:
      - Public keys (C(type base64)) that O(known_hosts) shall hold for the host from now on, without any other.
      - To be given after the commit.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author: [holdfast]
"""

EXAMPLES = r"""
- name: Prepare host keys and moduli, and pin the new keys
  ssh_material:
    known_hosts: "{{ inventory_dir }}/known_hosts/{{ inventory_hostname }}"
    host_alias: "{{ inventory_hostname }}"
  register: material

- name: Forget the keys that sshd no longer offers
  ssh_material:
    known_hosts: "{{ inventory_dir }}/known_hosts/{{ inventory_hostname }}"
    host_alias: "{{ inventory_hostname }}"
    pins: "{{ material.offered }}"
"""

RETURN = r"""
keys:
  description: >-
    One dict for each kind of key: C(type), C(path), C(public) (C(type base64); empty where check mode made none),
    C(fingerprint), C(bits), C(staged) (path of the staged private key or null), C(why) (why it is replaced).
  returned: always
  type: list
  elements: dict
offered:
  description: Public keys that sshd offers after the commit.
  returned: always
  type: list
  elements: str
live:
  description: Public keys that lie beside sshd now.
  returned: always
  type: list
  elements: str
pinned:
  description: >-
    What was done to the known_hosts file: C(path), the keys C(added) and C(removed), and those C(superseded), which
    stay until they are told to go by O(pins).
  returned: with O(known_hosts)
  type: dict
moduli:
  description: C(path), C(staged) (path or null), C(kept) and C(dropped) (numbers of lines).
  returned: always
  type: dict
files:
  description: What the commit has to move in, as M(guard_stage) takes it.
  returned: always
  type: list
  elements: dict
foreign:
  description: Lines of other owners, as C(file), C(line), C(text), C(why), C(refused).
  returned: always
  type: list
  elements: dict
plan:
  description: What was or would be prepared, in plain words.
  returned: always
  type: list
  elements: str
"""

UNIT_DROP_INS = ("/etc/systemd/system/ssh.service.d/*.conf", "/run/systemd/system/ssh.service.d/*.conf")
PACKAGED_DROP_INS = ("/lib/systemd/system/ssh.service.d/*.conf",)
SIZE_FIELD = 4  # moduli(5): the fifth field is the length in bits, less one
FIELDS = 7


def fields_of(blob: bytes) -> list[bytes]:
    """Return the length-prefixed fields of an SSH public key blob (RFC 4253)."""
    found, at = [], 0
    while at + 4 <= len(blob):
        (size,) = struct.unpack_from(">I", blob, at)
        found.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def describe(public: str) -> dict[str, Any]:
    """Return type, length in bits and fingerprint of a public key ``type base64``.

    Raises:
        ValueError: it is no public key.

    """
    parts = public.split()
    if len(parts) < 2:
        raise ValueError("not a public key")
    blob = base64.b64decode(parts[1], validate=True)
    fields = fields_of(blob)
    if not fields or fields[0].decode("ascii", "replace") != parts[0]:
        raise ValueError("not a public key")
    bits = int.from_bytes(fields[2], "big").bit_length() if parts[0] == "ssh-rsa" and len(fields) > 2 else 256
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {"public": " ".join(parts[:2]), "bits": bits, "fingerprint": f"SHA256:{digest}"}


def public_of(path: str) -> str:
    """Return the public half of a private key file as ``type base64``.

    Raises:
        ValueError: why sshd could not use the file.

    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise ValueError("is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is no plain file")
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ValueError(f"is open to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o})")
    # -y derives it from the private half: a .pub file beside it may belong to another key.
    done = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError("cannot be read as a key without passphrase")
    return done.stdout.strip()


def judge(path: str, kind: str, rsa_bits: int) -> dict[str, Any]:
    """Describe the private key at ``path``; ``why`` says why it will not do ("" if it does)."""
    try:
        found = describe(public_of(path))
    except ValueError as error:
        return {"public": "", "bits": 0, "fingerprint": "", "why": str(error)}
    if found["public"].split()[0] != {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa"}[kind]:
        return {**found, "why": f"is no {kind} key"}
    if kind == "rsa" and found["bits"] < rsa_bits:
        return {**found, "why": f"has {found['bits']} bits, fewer than {rsa_bits}"}
    return {**found, "why": ""}


def filter_moduli(text: str, bits: int) -> tuple[str, int, int]:
    """Return the moduli of at least ``bits`` bits as a file's text, and how many lines were kept and dropped."""
    kept, dropped = [], 0
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != FIELDS or not fields[SIZE_FIELD].isdigit():
            continue
        if int(fields[SIZE_FIELD]) + 1 >= bits:
            kept.append(line)
        else:
            dropped += 1
    return "".join(f"{line}\n" for line in kept), len(kept), dropped


def read(path: str) -> str:
    """Return a file's text, or "" if it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def live_keys(directory: str) -> list[str]:
    """Return the public keys whose files lie in ``directory``: sshd may offer any of them until the commit."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "ssh_host_*_key.pub"))):
        try:
            found.append(describe(read(path))["public"])
        except ValueError:
            continue
    return found


class Material:
    """What one call looks at and prepares."""

    def __init__(self, params: dict[str, Any], *, check: bool) -> None:
        """Keep the module's parameters; ``check``: change nothing."""
        self.params = params
        self.check = check
        self.plan: list[str] = []

    def staged(self, name: str) -> str:
        """Return the path of ``name`` in the staging folder."""
        return os.path.join(self.params["staging"], name)

    def drop(self, *names: str) -> None:
        """Remove staged files that are of no more use."""
        for name in names:
            if not self.check and os.path.lexists(self.staged(name)):
                os.unlink(self.staged(name))

    def make_staging(self) -> None:
        """Make the staging folder, closed to all but root."""
        path = self.params["staging"]
        if os.path.islink(path):
            raise OSError(f"{path} is a symbolic link")
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)

    def key(self, kind: str) -> dict[str, Any]:
        """Return the key of ``kind`` that sshd shall offer, made in staging if the live one will not do."""
        name = f"ssh_host_{kind}_key"
        path = os.path.join(self.params["directory"], name)
        live = judge(path, kind, self.params["rsa_bits"])
        if not live["why"]:
            self.drop(name, f"{name}.pub")
            return {**live, "type": kind, "path": path, "staged": None}
        made = judge(self.staged(name), kind, self.params["rsa_bits"])
        # A public half that is missing or another's would be committed beside the wrong key.
        if made["why"] or made["public"] != " ".join(read(self.staged(f"{name}.pub")).split()[:2]):
            self.plan.append(f"make a new {kind} host key: {path} {live['why']}")
            if self.check:
                return {**live, "public": "", "fingerprint": "", "type": kind, "path": path, "staged": None}
            self.generate(kind, name)
            made = judge(self.staged(name), kind, self.params["rsa_bits"])
        return {**made, "why": live["why"], "type": kind, "path": path, "staged": self.staged(name)}

    def generate(self, kind: str, name: str) -> None:
        """Generate a key in staging; a run killed before the rename leaves only a temporary file."""
        self.make_staging()
        temporary = self.staged(f".{name}")
        for path in (temporary, f"{temporary}.pub"):
            if os.path.lexists(path):
                os.unlink(path)
        bits = ["-b", str(self.params["rsa_bits"])] if kind == "rsa" else []
        command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "holdfast", "-f", temporary]
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        os.rename(f"{temporary}.pub", self.staged(f"{name}.pub"))
        os.rename(temporary, self.staged(name))

    def moduli(self) -> dict[str, Any]:
        """Return the filtered moduli, staged if the live file differs from them."""
        source, live = os.path.join(self.params["directory"], "moduli"), self.params["moduli"]
        text, kept, dropped = filter_moduli(read(source), self.params["moduli_bits"])
        result = {"path": live, "staged": None, "kept": kept, "dropped": dropped}
        if kept == 0:
            if filter_moduli(read(live), self.params["moduli_bits"])[1] == 0:
                raise OSError(
                    f"{source} holds no modulus of {self.params['moduli_bits']} bits: reinstall openssh-server"
                )
            return result
        if read(live) == text:
            self.drop("moduli")
            return result
        if read(self.staged("moduli")) != text:
            self.plan.append(f"keep the {kept} of {kept + dropped} moduli that are long enough")
            if self.check:
                return result
            self.make_staging()
            with open(self.staged(".moduli"), "w", encoding="utf-8") as handle:
                handle.write(text)
            os.chmod(self.staged(".moduli"), 0o644)
            os.rename(self.staged(".moduli"), self.staged("moduli"))
        return {**result, "staged": self.staged("moduli")}


def to_commit(keys: list[dict[str, Any]], moduli: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the staged files as the guard takes them: where they go, where they lie, and their mode."""
    files: list[dict[str, Any]] = []
    for key in keys:
        if key["staged"]:
            files.append({"path": key["path"], "from_host": key["staged"], "mode": "0600", "secret": True})
            files.append({"path": f"{key['path']}.pub", "from_host": f"{key['staged']}.pub", "mode": "0644"})
    if moduli["staged"]:
        files.append({"path": moduli["path"], "from_host": moduli["staged"], "mode": "0644"})
    return files


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "key_types": {
                "type": "list",
                "elements": "str",
                "choices": ["ed25519", "rsa"],
                "default": ["ed25519", "rsa"],
                "no_log": False,
            },
            "rsa_bits": {"type": "int", "default": 4096},
            "moduli_bits": {"type": "int", "default": 3072},
            "directory": {"type": "path", "default": "/etc/ssh"},
            "staging": {"type": "path", "default": "/var/lib/holdfast/ssh"},
            "moduli": {"type": "path", "default": "/etc/ssh/holdfast.moduli"},
            "drop_in": {"type": "path", "default": "/etc/ssh/sshd_config.d/00-holdfast.conf"},
            "known_hosts": {"type": "path"},
            "host_alias": {"type": "str"},
            "pins": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    if shutil.which("ssh-keygen") is None:
        module.fail_json(msg="ssh-keygen is not on this host: install openssh-client")
    work = Material(module.params, check=module.check_mode)
    try:
        keys = [work.key(kind) for kind in module.params["key_types"]]
        moduli = work.moduli()
    except subprocess.CalledProcessError as error:
        module.fail_json(msg=f"ssh-keygen could not make a host key: {error.stderr.strip()}")
    except OSError as error:
        module.fail_json(msg=f"Host keys and moduli could not be prepared: {error}. sshd reads what it read before.")
    foreign = find_foreign(os.path.join(module.params["directory"], "sshd_config"), module.params["drop_in"])
    foreign += find_command_line("/etc/default/ssh", UNIT_DROP_INS + PACKAGED_DROP_INS)
    module.exit_json(
        changed=bool(work.plan),
        keys=keys,
        offered=[key["public"] for key in keys if key["public"]],
        live=live_keys(module.params["directory"]),
        moduli=moduli,
        files=to_commit(keys, moduli),
        foreign=foreign,
        plan=work.plan,
    )


if __name__ == "__main__":
    main()
