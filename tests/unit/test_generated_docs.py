"""The generated pages say what their sources say, and every key of the schema is documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.filters.support import ROOT, SCHEMA
from tools import generate_docs

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_generated_pages_are_not_stale() -> None:
    assert [str(path.relative_to(ROOT)) for path in generate_docs.stale()] == [], "run python tools/generate_docs.py"


def keys(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key that a user may write."""
    if isinstance(node, dict):
        for name, part in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            yield f"{path}.{name}", part
        for name, part in node.items():
            yield from keys(part, f"{path}.{name}")


@pytest.mark.parametrize(("path", "node"), list(keys(SCHEMA)), ids=[path for path, _ in keys(SCHEMA)])
def test_every_key_is_documented(path: str, node: dict[str, Any]) -> None:
    whole = generate_docs.resolved(node, SCHEMA)
    assert whole.get("description"), path
    if not path.startswith(".properties") or path.count(".") > 2:
        assert whole.get("examples"), path


def test_a_new_key_makes_the_page_stale() -> None:
    changed = {**SCHEMA, "description": "Another."}
    assert generate_docs.data_page(changed) != generate_docs.data_page(SCHEMA)
