"""Load the files as Ansible would find them: the module imports its helper as ``ansible.module_utils.…``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


FOREIGN = _load("ansible.module_utils.sshd_foreign", ROOT / "module_utils" / "sshd_foreign.py")


@pytest.fixture(scope="session")
def foreign() -> ModuleType:
    """Give the helper that reads sshd's configuration."""
    return FOREIGN


@pytest.fixture(scope="session")
def material() -> ModuleType:
    """Give the module's host half."""
    return _load("holdfast_ssh_material", ROOT / "library" / "ssh_material.py")


@pytest.fixture(scope="session")
def action() -> ModuleType:
    """Give the module's controller half."""
    return _load("holdfast_ssh_material_action", ROOT / "action_plugins" / "ssh_material.py")
