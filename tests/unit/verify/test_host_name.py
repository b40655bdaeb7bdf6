"""A host calls itself what the inventory calls it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from verify.test_host_identity import test_name as judge

if TYPE_CHECKING:
    from verify.target import Target


def host(name: str, hostname: str) -> Target:
    """Return a host of the inventory that calls itself so."""
    return cast("Target", SimpleNamespace(name=name, inside=lambda: {"hostname": hostname}))


@pytest.mark.parametrize(("name", "hostname"), [("web1", "web1"), ("web_1", "web-1"), ("a.example", "a.example")])
def test_its_own_name(name: str, hostname: str) -> None:
    judge(host(name, hostname))


def test_another_name() -> None:
    with pytest.raises(AssertionError, match="it calls itself localhost, not web1"):
        judge(host("web1", "localhost"))
