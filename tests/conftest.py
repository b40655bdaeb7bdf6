"""The releases that tests of hosts run on, and which of them for each commit."""

from __future__ import annotations

import zlib
from pathlib import Path

import ansible.module_utils
import pytest

from lab.images import RELEASES

# What modules share is a part of Ansible's own folder, for Ansible and for the modules that import it.
ansible.module_utils.__path__.append(str(Path(__file__).parents[1] / "module_utils"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let two processes share the work, a release each."""
    parser.addoption("--release", choices=RELEASES, help="test on this release only (default: both)")


def names_releases(test: pytest.Item) -> bool:
    """Tell whether a test says itself which releases it runs on."""
    return any("release" in mark.args[0] for mark in test.iter_markers("parametrize"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of a host on each chosen release, unless it names releases itself."""
    if "release" in metafunc.fixturenames and not names_releases(metafunc.definition):
        chosen = metafunc.config.getoption("--release")
        metafunc.parametrize("release", [chosen] if chosen else RELEASES, scope="session")


def turn(case: str) -> str:
    """Return the release on which a test runs for each commit: half of them on each, always the same ones."""
    return RELEASES[zlib.crc32(case.encode()) % len(RELEASES)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other release of a test to the long form, unless the test is marked ``both``."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        release = str(parameters.get("release", ""))
        shared = release and not names_releases(item) and not item.get_closest_marker("both")
        if shared and turn(item.nodeid.replace(release, "")) != release:
            item.add_marker(pytest.mark.full)
