"""Options of the unit tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make an outdated result of the long tests a failure, for releases."""
    parser.addoption("--strict-full", action="store_true", help="fail when the last `make test-full` is out of date")
