#!/usr/bin/python
"""Documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_ids
short_description: Name the releases of services by their content
description:
  - On the controller only; no host is contacted.
  - The name of a release is the beginning of a digest of its content. Of a directory, times and owners do not count.
author: [holdfast]
options:
  services:
    description: Services, each with C(name) and perhaps C(release.path).
    type: list
    elements: dict
    required: true
  directory:
    description: What relative paths are relative to.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Look at the releases
  release_ids:
    services: [{name: blog, release: {path: ../blog/dist}}]
    directory: "{{ inventory_dir }}"
"""

RETURN = r"""
releases: {description: "C(id) and absolute C(path) by service.", type: dict, returned: always}
unreadable: {description: Why a service's release cannot be read., type: dict, returned: always}
"""
