"""ansible-doc shows every role, filter, lookup, module and callback, with all that a reader needs."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.filters.support import ROOT

FILTERS = sorted(path.stem for path in ROOT.glob("filter_plugins/*.py"))
LOOKUPS = sorted(path.stem for path in ROOT.glob("lookup_plugins/*.py"))
MODULES = sorted(path.stem for path in ROOT.glob("library/*.py"))
ACTIONS = sorted(path.stem for path in ROOT.glob("action_plugins/*.py"))
CALLBACKS = sorted(path.stem for path in ROOT.glob("callback_plugins/*.py"))
ROLES = sorted(path.name for path in ROOT.glob("roles/*"))


@functools.cache
def shown(kind: str, *names: str) -> dict[str, Any]:
    """Return what ansible-doc says of these plugins."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "-t", kind, "-r", "roles", "--json", *names],
        cwd=ROOT, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def undescribed(options: dict[str, Any], path: str) -> list[str]:
    """Return the options, at any depth, that say nothing."""
    found = []
    for name, option in options.items():
        if not option.get("description"):
            found.append(f"{path}.{name}")
        found += undescribed(option.get("options") or option.get("suboptions") or {}, f"{path}.{name}")
    return found


@pytest.mark.parametrize("name", FILTERS)
def test_filter(name: str) -> None:
    said = shown("filter", *FILTERS)[name]
    assert said["doc"]["short_description"]
    assert said["doc"]["description"]
    assert undescribed(said["doc"]["options"], name) == []
    assert name in said["examples"]
    assert said["return"]["_value"]["description"]


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookup(name: str) -> None:
    said = shown("lookup", *LOOKUPS)[name]
    assert said["doc"]["short_description"]
    assert said["doc"]["description"]
    assert undescribed(said["doc"]["options"], name) == []
    assert name in said["examples"]
    assert undescribed(said["return"], name) == []


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    said = shown("module", *MODULES)[name]
    assert said["doc"]["short_description"]
    assert said["doc"]["description"]
    assert undescribed(said["doc"]["options"], name) == []
    assert name in said["examples"]
    assert undescribed(said["return"] or {}, name) == []


def test_every_action_plugin_is_documented_as_a_module() -> None:
    assert set(ACTIONS) <= set(MODULES)


@pytest.mark.parametrize("name", CALLBACKS)
def test_callback(name: str) -> None:
    assert shown("callback", *CALLBACKS)[name]["doc"]["description"]


@pytest.mark.parametrize("name", ROLES)
def test_role(name: str) -> None:
    said = shown("role", *ROLES)[name]["entry_points"]
    assert said["main"]["description"]
    for entry, spec in said.items():
        assert spec["short_description"], entry
        assert undescribed(spec.get("options", {}), f"{name}.{entry}") == []
