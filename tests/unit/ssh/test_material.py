"""Host keys and moduli: what is kept, what is made anew, and that nothing live changes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture
def host(tmp_path: Path) -> dict[str, Any]:
    """Give the module's parameters for a host whose folder lies in ``tmp_path``; RSA keys are short to be quick."""
    (tmp_path / "etc").mkdir()
    text = "# moduli\n" + "".join(f"20200101 2 6 100 {size} 2 AB\n" for size in (2047, 3071, 4095))
    (tmp_path / "etc" / "moduli").write_text(text)
    return {
        "directory": str(tmp_path / "etc"),
        "staging": str(tmp_path / "staging"),
        "moduli": str(tmp_path / "etc" / "holdfast.moduli"),
        "rsa_bits": 2048,
        "moduli_bits": 3072,
    }


def make(path: Path, kind: str, *more: str) -> str:
    """Make a key and return its public half as type and base64."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-f", str(path)], check=True)
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def snapshot(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_strong_key_stays(material: ModuleType, host: dict[str, Any]) -> None:
    public = make(Path(host["directory"]) / "ssh_host_ed25519_key", "ed25519")
    work = material.Material(host, check=False)
    key = work.key("ed25519")
    assert (key["public"], key["staged"], work.plan) == (public, None, [])


def test_a_missing_key_is_made_once_beside_the_live_ones(material: ModuleType, host: dict[str, Any]) -> None:
    before = snapshot(host["directory"])
    work = material.Material(host, check=False)
    key = work.key("ed25519")
    assert key["why"] == "is missing"
    assert snapshot(host["directory"]) == before
    assert Path(host["staging"]).stat().st_mode & 0o777 == 0o700
    assert Path(key["staged"]).stat().st_mode & 0o777 == 0o600
    again = material.Material(host, check=False)
    assert again.key("ed25519")["public"] == key["public"]
    assert (len(work.plan), again.plan) == (1, [])


def test_a_short_rsa_key_is_replaced(material: ModuleType, host: dict[str, Any]) -> None:
    make(Path(host["directory"]) / "ssh_host_rsa_key", "rsa", "-b", "1024")
    key = material.Material(host, check=False).key("rsa")
    assert key["why"] == "has 1024 bits, fewer than 2048"
    assert key["bits"] == 2048


def test_a_key_that_others_can_read_is_replaced(material: ModuleType, host: dict[str, Any]) -> None:
    path = Path(host["directory"]) / "ssh_host_ed25519_key"
    make(path, "ed25519")
    path.chmod(0o644)
    key = material.Material(host, check=False).key("ed25519")
    assert "open to others" in key["why"]
    assert key["staged"]


def test_what_the_commit_took_is_removed_from_staging(material: ModuleType, host: dict[str, Any]) -> None:
    key = material.Material(host, check=False).key("ed25519")
    for suffix in ("", ".pub"):
        shutil.copy2(f"{key['staged']}{suffix}", f"{key['path']}{suffix}")
    work = material.Material(host, check=False)
    assert work.key("ed25519")["staged"] is None
    assert work.plan == []
    assert snapshot(host["staging"]) == {}


def test_a_public_half_of_another_key_is_not_committed(material: ModuleType, host: dict[str, Any]) -> None:
    key = material.Material(host, check=False).key("ed25519")
    Path(f"{key['staged']}.pub").write_text("ssh-ed25519 AAAA x\n")
    again = material.Material(host, check=False).key("ed25519")
    assert Path(f"{again['staged']}.pub").read_text().split()[1] == again["public"].split()[1]


def test_check_mode_makes_nothing(material: ModuleType, host: dict[str, Any]) -> None:
    work = material.Material(host, check=True)
    keys, moduli = [work.key("ed25519"), work.key("rsa")], work.moduli()
    assert [key["public"] for key in keys] == ["", ""]
    assert material.to_commit(keys, moduli) == []
    assert len(work.plan) == 3
    assert not Path(host["staging"]).exists()


def test_moduli_are_filtered_beside_the_packages_file(material: ModuleType, host: dict[str, Any]) -> None:
    before = snapshot(host["directory"])
    made = material.Material(host, check=False).moduli()
    assert (made["kept"], made["dropped"]) == (2, 1)
    assert snapshot(host["directory"]) == before
    shutil.copy(made["staged"], host["moduli"])
    work = material.Material(host, check=False)
    assert work.moduli()["staged"] is None
    assert work.plan == []
    assert snapshot(host["staging"]) == {}


def test_no_modulus_of_the_length_is_an_error(material: ModuleType, host: dict[str, Any]) -> None:
    (Path(host["directory"]) / "moduli").write_text("")
    with pytest.raises(OSError, match="holds no modulus"):
        material.Material(host, check=False).moduli()


def test_a_broken_public_key_is_no_key(material: ModuleType) -> None:
    for text in ("", "ssh-rsa", "ssh-rsa !!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5"):
        with pytest.raises(ValueError, match=r".*"):
            material.describe(text)
