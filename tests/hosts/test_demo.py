"""The demo's host: found again, begun afresh where the first start was interrupted, and removed with all around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import demo
from lab.engine import LABEL, detect

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def left_behind(name: str) -> list[str]:
    """What the engine still has with the label of that lab."""
    engine, chosen = detect(), ["--quiet", "--filter", f"label={LABEL}={name}"]
    listings = (["ps", "--all"], ["network", "ls"], ["images"])
    return [line for listing in listings for line in engine.run(*listing, *chosen).stdout.split()]


def test_start_again_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "ROOT", tmp_path)  # a demo of its own, whatever else runs from this checkout
    try:
        place, first, _ = demo.start()
        # No first contact yet: as if it had been killed here, so it begins afresh.
        place, second, _ = demo.start()
        assert second.container != first.container
        (demo.FOLDER / "inventory" / "known_hosts").mkdir()
        place, third, arguments = demo.start()
        assert third.container == second.container
        assert arguments[:2] == ["-i", str(tmp_path / ".holdfast/demo/inventory")]
        place.outsider()
        assert left_behind(place.name)
    finally:
        demo.down()
    assert left_behind(place.name) == []
    assert not demo.FOLDER.exists()
