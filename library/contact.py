# The documentation of the action plugin of the same name: nothing here runs on a host.
"""Find the login that works, know the host by its key, look at it, and remember."""

from __future__ import annotations

DOCUMENTATION = r"""
module: contact
short_description: Find the login that works for a host, and look at the host once
description:
  - Tries the last known good login first, then the candidates. A port that nobody listens on is no attempt; a second
    denied login ends the search.
  - Pins the host key. A declared one is pinned before the first contact; without one the first key is trusted,
    shown and marked so. Host key checking is never off, and a changed key is an error that shows both fingerprints.
  - Looks at the host with one shell command over one fresh login; the host needs no Python.
  - Keeps the files C(known_hosts/HOST), C(.holdfast/ssh_config) and C(.holdfast/logins/HOST.json) in O(directory)
    on the controller, in check mode too. Nothing on the host is changed.
  - A host where nothing answers is unreachable, so that the other hosts finish. Anything but Debian 12 and 13 is
    refused.
options:
  hosts:
    description: The hosts of the catalogue by name, with their address and ssh settings.
    type: dict
    required: true
  operator:
    description: Account of who runs this.
    type: str
    required: true
  candidates:
    description:
      - Logins to try, the likeliest first. By default the operator's on the declared port, then the provider's.
    type: list
    elements: dict
    default: []
  directory:
    description: The inventory's directory.
    type: path
    required: true
  packages:
    description: Debian packages to ask for.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for each connection.
    type: int
    default: 10
  password_hash:
    description: Declared crypt(3) hash of the operator; the given sudo password is compared with it.
    type: str
    default: ""
  record:
    description: Make no contact, only remember this login as the last known good one.
    type: dict
    suboptions:
      user: {description: Account., type: str, required: true}
      port: {description: TCP port., type: int, required: true}
author: [holdfast]
"""

EXAMPLES = r"""
- name: Find the login that works
  contact:
    hosts: "{{ preflight_catalogue.hosts }}"
    operator: alice
    directory: "{{ inventory_dir }}"
  register: contact_found
"""

RETURN = r"""
user: {description: Account of the login that worked., type: str, returned: success}
port: {description: Its port., type: int, returned: success}
uid: {description: Its uid., type: int, returned: success}
key_fingerprint: {description: SHA256 fingerprint of the key that was accepted., type: str, returned: success}
source_address: {description: The address from which the host saw the login come., type: str, returned: success}
os: {description: "The system: id, version, codename, name.", type: dict, returned: success}
python: {description: Whether /usr/bin/python3 is there., type: bool, returned: success}
managed: {description: Whether a commit of ours went live on the host before., type: bool, returned: success}
sudo_password:
  description: "What the run knows of the sudo password: none, given, or wrong when it does not make O(password_hash)."
  type: str
  returned: success
packages_missing: {description: Which of O(packages) are not installed., type: list, elements: str, returned: success}
clock:
  description: A sentence on the host's clock where it differs from this machine's by over five minutes, else empty.
  type: str
  returned: success
apparmor: {description: Whether the host has a kernel of its own with AppArmor in it., type: bool, returned: success}
docker: {description: Whether a Docker engine is installed., type: bool, returned: success}
sudo: {description: "How root is reached: root, free (no password) or given (with the given password).", type: str,
  returned: success}
host_key: {description: "Type, fingerprint, and trust: declared, pinned or first use.", type: dict, returned: success}
tries: {description: Each login that was tried and how it ended., type: list, elements: str, returned: always}
"""
