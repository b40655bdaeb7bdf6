"""The halves of ``ssh_material``: the guard's program on the host, the action plugin on the controller."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.loading import load

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


PROGRAM = ROOT / "roles" / "guard" / "files" / "program"
sys.path.insert(0, str(PROGRAM))


@pytest.fixture(scope="session")
def foreign() -> ModuleType:
    """Give the helper that reads sshd's configuration."""
    return load(PROGRAM / "sshd_foreign.py", importable=True)


@pytest.fixture(scope="session")
def material() -> ModuleType:
    """Give the host's half."""
    return load(PROGRAM / "hostkeys.py", importable=True)


@pytest.fixture(scope="session")
def action() -> ModuleType:
    """Give the controller's half."""
    return load(ROOT / "action_plugins" / "ssh_material.py", "holdfast_ssh_material_action", importable=True)
