#!/usr/bin/python
"""Documentation of the action plugin of the same name; the guard's program does the work on the host."""

from __future__ import annotations

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
      - Public keys (C(type base64)) that O(known_hosts) shall hold for the host from now on, without any other line
        but comments and C(@revoked).
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
  description: What the commit has to move in, as O(guard_stage#module:prepared) takes it.
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
