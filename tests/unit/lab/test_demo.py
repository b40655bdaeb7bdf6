"""What `make demo-down` does where an engine, or the right to remove, is missing; and whose demo is whose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab import demo
from lab.engine import Engine
from lab.hosts import Lab
from lab.progress import LabError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a demo has left its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "cache"))
    (demo.FOLDER / "inventory").mkdir(parents=True)
    return tmp_path


def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "answering", list)


def test_files_stay_as_long_as_the_host_cannot_be_removed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_engine(monkeypatch)
    with pytest.raises(LabError, match="start docker or podman"):
        demo.down()
    assert (here / demo.FOLDER).exists()


def test_nothing_to_remove_needs_no_engine(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_engine(monkeypatch)
    shutil.rmtree(here / demo.FOLDER)
    assert demo.down() == 0


def test_every_engine_that_answers_is_asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(demo, "answering", lambda: [Engine("docker"), Engine("podman")])
    monkeypatch.setattr(Lab, "down", lambda place: asked.append(f"{place.engine.kind} {place.name}"))
    assert demo.down() == 0
    assert asked == [f"{kind} {demo.lab(Engine('docker')).name}" for kind in ("docker", "podman")]
    assert not (here / demo.FOLDER).exists()


def test_what_another_user_made_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "answering", lambda: [Engine("docker")])
    monkeypatch.setattr(Lab, "down", lambda _: None)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "inventory"))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(LabError, match=r"cannot remove .*demo/inventory \(Permission denied\)"):
        demo.down()
    assert (here / demo.FOLDER).exists()


def test_another_checkout_has_a_demo_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def name(root: str) -> str:
        monkeypatch.setattr(demo, "ROOT", Path(root))
        return demo.lab(Engine("docker")).name

    assert name("/a") != name("/b")
    assert name("/a") == name("/a")
