"""The releases that tests of hosts run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.images import RELEASES

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let two processes share the work, a release each."""
    parser.addoption("--release", choices=RELEASES, help="test on this release only (default: both)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of a host on each chosen release, unless it names releases itself."""
    named = any("release" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "release" in metafunc.fixturenames and not named:
        chosen = metafunc.config.getoption("--release")
        metafunc.parametrize("release", [chosen] if chosen else RELEASES, scope="session")
