"""Molecule goes red: without hosts, without its base configuration, and when a promise is broken."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.hosts import Lab, make_key

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Molecule = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow

HOSTS = "hosts:\n  - {{name: solo, release: {}}}\n"


def project(folder: Path, lab: str) -> Path:
    """Make a project of its own from this one's files, with one scenario that has the given lab."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in {".git", "molecule", ".holdfast"}:
            (folder / path.name).symlink_to(path)
    shutil.copytree(ROOT / "molecule/shared", folder / "molecule/shared")
    shutil.copytree(ROOT / "molecule/default", folder / "molecule/default")
    (folder / "molecule/default/lab.yml").write_text("---\n" + lab, encoding="utf-8")
    return folder


@pytest.fixture
def molecule(tmp_path: Path) -> Iterator[Molecule]:
    """Give what runs molecule in a project and returns how it ended."""
    used: list[Path] = []

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        used.append(folder)
        return subprocess.run(
            [str(Path(sys.executable).parent / "molecule"), *arguments, "-s", "default"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "MOLECULE_GLOB": "molecule/*/molecule.yml",
                # Its own choice depends on the project folder's last name alone, which the other release's has too.
                "MOLECULE_EPHEMERAL_DIRECTORY": str(folder.parent / "molecule-state"),
                "NO_COLOR": "1",
            },
        )  # fmt: skip

    yield run
    for folder in set(used):
        Lab(lab_name(folder)).down()


def lab_name(folder: Path) -> str:
    """Return the name that molecule/shared gives to the lab of a checkout."""
    return f"mol-default-{hashlib.sha1(str(folder).encode()).hexdigest()[:5]}"


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def git(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def test_no_hosts(molecule: Molecule, tmp_path: Path) -> None:
    done = molecule(git(project(tmp_path / "empty", "hosts: []\n")), "test")
    assert done.returncode != 0
    assert "No hosts" in said(done)


def test_no_base_configuration(molecule: Molecule, tmp_path: Path, release: str) -> None:
    done = molecule(project(tmp_path / "nogit", HOSTS.format(release)), "test")
    assert done.returncode != 0, "outside a git checkout the scenario passed, on no hosts at all"


@pytest.mark.full
def test_a_broken_promise(molecule: Molecule, tmp_path: Path, release: str) -> None:
    folder = git(project(tmp_path / "broken", HOSTS.format(release)))
    pinned = tmp_path / "molecule-state/lab/known_hosts/solo"  # left by a run that was killed, of a host that is gone
    make_key(tmp_path / "gone", "gone")
    pinned.parent.mkdir(parents=True)
    pinned.write_text(f"solo {(tmp_path / 'gone.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    done = molecule(folder, "converge")
    assert done.returncode == 0, said(done)[-4000:]
    host = Lab(lab_name(folder)).find("solo")
    assert host is not None
    host.exec(["sh", "-ec", (ROOT / "tests/breakers/firewall.sh").read_text(encoding="utf-8")])
    done = molecule(folder, "verify")
    assert done.returncode != 0, "the firewall is broken, and molecule passed"
    assert "broken: The firewall drops everything" in " ".join(said(done).split())
