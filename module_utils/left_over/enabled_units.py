"""What systemd starts by itself. The verification looks for itself (verify/remote/ground.py), in the same places."""

from __future__ import annotations

import glob
import os
import re

from ansible.module_utils.left_over.names import template

STATES = "enabled,enabled-runtime,linked,linked-runtime"
# What starts instances of templates by itself.
LINKS = tuple(f"/{top}/systemd/system/*.{kind}/*@?*.*" for top in ("etc", "run") for kind in ("wants", "requires"))
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)


def enabled_instances() -> dict[str, str]:
    """Return the state of each enabled instance: systemd lists its template, and that as "indirect"."""
    paths = [path for place in LINKS for path in glob.glob(place)]
    states = {os.path.basename(path): "enabled-runtime" if path.startswith("/run") else "enabled" for path in paths}
    # A package that has gone leaves links behind, and systemd starts nothing of another name.
    there = {name for name in states for place in UNIT_FOLDERS if os.path.exists(f"{place}/{template(name)}")}
    return {name: states[name] for name in sorted(there) if re.fullmatch(r"[A-Za-z0-9:_.@\\-]+", name)}
