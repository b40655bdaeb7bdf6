"""Where the bare images come from, and what is said when nothing can be had."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from lab import bootstrap
from lab.engine import Engine
from lab.progress import LabError

if TYPE_CHECKING:
    from pathlib import Path

WAYS = ("_directly", "_within_a_container", "_upon_pulled")


@pytest.mark.parametrize(
    ("uid", "debian", "order"),
    [
        (0, True, ["_directly", "_upon_pulled"]),
        (0, False, ["_upon_pulled", "_within_a_container"]),
        (1000, True, ["_upon_pulled", "_within_a_container"]),
    ],
)
def test_every_way_is_tried_and_all_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, debian: bool, order: list[str]
) -> None:
    tried: list[str] = []

    def way(name: str, *, works: bool) -> None:
        def try_it(_: Engine, __: str, target: Path) -> None:
            tried.append(name)
            if not works:
                raise LabError(f"{name} cannot")
            target.write_text(name, encoding="utf-8")

        monkeypatch.setattr(bootstrap, name, try_it)

    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(bootstrap, "is_debian", lambda: debian)
    for name in WAYS:
        way(name, works=False)
    with pytest.raises(LabError) as error:
        bootstrap.build(Engine("docker"), "trixie", tmp_path / "x.tar")
    assert tried == order
    assert "\n" not in str(error.value)
    assert all(f"{name} cannot" in str(error.value) for name in order)
    assert "HOLDFAST_MIRROR" in str(error.value)
    way(order[1], works=True)
    bootstrap.build(Engine("docker"), "trixie", tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_text(encoding="utf-8") == order[1]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "I: one\\nE: Failed to fetch http://m.example/x\\nE: mmdebstrap failed to run\\n",
            "E: Failed to fetch http://m",
        ),
        ("no such thing\\n\\n", "no such thing"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_tells_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> None:
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path))
    command = [sys.executable, "-c", f"import sys; sys.stderr.write('{script}'); sys.exit(1)"]
    with pytest.raises(LabError, match=rf"^building it failed: {said}.* \(its log: {tmp_path}/bootstrap-trixie.log\)$"):
        bootstrap._logged("trixie", "building it (a minute, once)", command)


def test_without_a_mirror_nothing_is_bootstrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "mirrors", lambda: ("", ""))
    with pytest.raises(LabError, match="no Debian mirror"):
        bootstrap._directly(Engine("docker"), "trixie", tmp_path / "x.tar")


def test_the_borrowed_system_finds_its_programs() -> None:
    with tarfile.open(fileobj=io.BytesIO(bootstrap._empty_system())) as archive:
        links = {entry.name: entry.linkname for entry in archive if entry.issym()}
        assert links == {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
        assert archive.getmember("tmp").isdir()
