"""The halves of ``ssh_material``: the guard's program on the host, the action plugin on the controller."""

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


PROGRAM = ROOT / "roles" / "guard" / "files" / "program"
sys.path.insert(0, str(PROGRAM))


@pytest.fixture(scope="session")
def foreign() -> ModuleType:
    """Give the helper that reads sshd's configuration."""
    return _load("sshd_foreign", PROGRAM / "sshd_foreign.py")


@pytest.fixture(scope="session")
def material() -> ModuleType:
    """Give the host's half."""
    return _load("hostkeys", PROGRAM / "hostkeys.py")


@pytest.fixture(scope="session")
def action() -> ModuleType:
    """Give the controller's half."""
    return _load("holdfast_ssh_material_action", ROOT / "action_plugins" / "ssh_material.py")
