"""What the tests of filters share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.filters.support import good


@pytest.fixture
def raw() -> dict[str, Any]:
    """Return an environment without mistakes, for a test to spoil."""
    return good()
