"""The demo's host: found again, begun afresh where the first start was interrupted, and removed with all around it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab import demo
from lab.engine import LABEL, detect

if TYPE_CHECKING:
    from pathlib import Path


def left_behind(name: str) -> list[str]:
    """What the engine still has with the label of that lab."""
    engine, chosen = detect(), ["--quiet", "--filter", f"label={LABEL}={name}"]
    listings = (["ps", "--all"], ["network", "ls"], ["images"])
    return [line for listing in listings for line in engine.run(*listing, *chosen).stdout.split()]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of its own, whatever else runs from this checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "ROOT", tmp_path)


def test_start_again_and_remove(tmp_path: Path) -> None:
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


@pytest.mark.full
def test_to_its_end_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Every step shows what it promises, what it leaves is there, and it goes on with a host that is there."""
    try:
        assert demo.run() == 0
        said = capsys.readouterr().out
        for left in ("ssh_config", "inventory/", "report/index.html", "report/results.json"):
            assert (demo.FOLDER / left).exists()
            assert f"{demo.FOLDER}/{left}" in said
        results = json.loads((demo.FOLDER / "report/results.json").read_text(encoding="utf-8"))
        assert [host["name"] for host in results["hosts"]] == [demo.HOST]
        login = ["ssh", "-F", str(demo.FOLDER / "ssh_config"), "-o", "BatchMode=yes", demo.HOST, "sudo -n whoami"]
        assert subprocess.run(login, capture_output=True, text=True, check=True).stdout == "root\n"
        assert demo.run() == 0
        assert "going on with it" in capsys.readouterr().err
    finally:
        demo.down()
