"""A module that a program on hosts imports is among the files that its role places there."""

from __future__ import annotations

from pathlib import Path

import pytest

ROLES = Path(__file__).parents[2] / "roles"
# The guard's own is sent as the folder that it is.
MODULES = [path for path in sorted(ROLES.glob("*/files/program/*.py")) if path.parents[2].name != "guard"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parents[2].name}/{path.name}")
def test_each_module_is_named(module: Path) -> None:
    role = module.parents[2]
    placed = [path.read_text() for path in (*role.glob("vars/*.yml"), *role.glob("tasks/*.yml"))]
    assert any(f'/{module.name}", content:' in text or f'/{module.name}", mode:' in text for text in placed), module
