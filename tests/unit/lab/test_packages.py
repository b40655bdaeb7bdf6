"""What this machine lacks is told in one line, with the command that mends it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import check, packages, vm_image
from lab.progress import LabError


def test_who_may_not_install_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="a thing needs no-such-package; install with: sudo apt-get install no-such-pa"):
        packages.need("a thing", {"sh": "dash", "no-such-command": "no-such-package"})
    packages.need("a thing", {"sh": "dash"})


def test_virtual_machines_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="need root on an x86-64 machine"):
        vm_image.bare("trixie")


def test_only_the_long_form_has_virtual_machines() -> None:
    machines = ["machines bookworm", "machines trixie"]
    assert [stage.name for stage in check.stages("vm")] == machines
    assert machines in [[stage.name for stage in lane] for lane in check.in_lanes(check.stages("full"))]
    assert not set(machines) & {stage.name for stage in check.stages("all")}


def test_only_the_long_form_swaps_the_releases_of_scenarios() -> None:
    """And not beside the scenario itself, whose lab it uses."""
    full = check.stages("full")
    swapped = [stage for stage in full if stage.name.endswith(" swapped")]
    assert [stage.name for stage in swapped] == ["molecule network swapped"]
    assert ["molecule network", "molecule network swapped"] in [
        [stage.name for stage in lane] for lane in check.in_lanes(full)
    ]
    assert not [stage for stage in check.stages("all") if stage.name.endswith("swapped")]


def test_the_long_part_holds_nothing_for_each_commit() -> None:
    for file in check.host_parts(Path("tests/hosts"))[check.LONG]:
        assert re.search(r"^pytestmark = .*pytest\.mark\.full\b", Path(file).read_text(), re.MULTILINE), file
    assert f"{check.LONG} trixie" in {stage.name for stage in check.stages("full")}
    assert f"{check.LONG} trixie" not in {stage.name for stage in check.stages("all")}


def test_the_parts_hold_every_test_file_once() -> None:
    parts = check.host_parts(Path("tests/hosts"))
    assert sorted(file for files in parts.values() for file in files) == sorted(
        map(str, Path("tests/hosts").glob("test_*.py"))
    )
    assert all(parts.values())
