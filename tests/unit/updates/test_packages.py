"""Which installed packages a name means, and what is told of one that means none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import installed_packages
import pytest
from commands import Problem
from installed_packages import Binary

if TYPE_CHECKING:
    from pathlib import Path

DPKG = """\
dpkg-query: warning: something is odd
installed openssl amd64 openssl 3.5.1-1 3.5.1-1
installed libssl3t64 amd64 openssl 3.5.1-1 3.5.1-1
installed libssl3t64 i386 openssl 3.5.1-1 3.5.1-1
installed tzdata all tzdata 2025b-4 2025b-4
not-installed libssl-dev amd64 openssl
config-files openssl-tool amd64 openssl 3.0.1-1 3.0.1-1
unpacked libz1 amd64 zlib 1:1.3-1+b2 1:1.3-1
"""
POLICY = """\
libssl3t64:
  Installed: 3.5.1-1
  Candidate: 3.5.2-1
  Version table:
     3.5.2-1 500
        500 https://deb.example.org trixie/main amd64 Packages
 *** 3.5.1-1 100
        100 /var/lib/dpkg/status
libssl3t64:i386:
  Installed: 3.5.1-1
  Candidate: 3.5.1-1
"""
INSTALLED = installed_packages.read(DPKG, "amd64")


def test_what_is_installed() -> None:
    assert [one.name for one in INSTALLED] == ["openssl", "libssl3t64", "libssl3t64:i386", "tzdata", "libz1"]
    assert INSTALLED[-1] == Binary("libz1", "zlib", "1:1.3-1+b2", "1:1.3-1")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openssl", ["openssl", "libssl3t64", "libssl3t64:i386"]),
        ("libssl3t64", ["libssl3t64", "libssl3t64:i386"]),
        ("zlib", ["libz1"]),
        ("libssl-dev", []),
        ("ssl", []),
    ],
)
def test_a_name_is_a_package_or_a_source(name: str, found: list[str]) -> None:
    assert [one.name for one in installed_packages.named(name, INSTALLED)] == found


def test_candidates_by_architecture() -> None:
    assert installed_packages.candidates(POLICY) == {"libssl3t64": "3.5.2-1", "libssl3t64:i386": "3.5.1-1"}


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have an apt-cache that knows one binary and one source that are not installed."""
    text = "Package: nginx\nVersion: 1\n\nPackage: liblua\nSource: lua (5.4)\nDescription: Package: nonsense\n"
    program = tmp_path / "apt-cache"
    program.write_text(f'#!/bin/sh\n[ "$1" = dumpavail ] && printf %s "{text}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


@pytest.mark.usefixtures("lists")
def test_known_or_a_typing_error() -> None:
    for name in ("nginx", "lua", "liblua"):
        installed_packages.must_be_known(name, INSTALLED)
    with pytest.raises(Problem, match=r"of the name 'opensl'; did you mean openssl\?$"):
        installed_packages.must_be_known("opensl", INSTALLED)
    with pytest.raises(Problem, match=r"of the name 'nonsense'$"):
        installed_packages.must_be_known("nonsense", INSTALLED)


def test_lists_that_cannot_be_read_are_no_typing_error(lists: Path) -> None:
    lists.write_text("#!/bin/sh\nexit 100\n")
    with pytest.raises(Problem, match="exit code 100"):
        installed_packages.must_be_known("nginx", INSTALLED)
