"""Of all 65,535 TCP ports only the declared ones answer a stranger.

A port that refuses answers too: the firewall let the question through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from verify.outcome import empty
from verify.ports import heard, undeclared, wanted

if TYPE_CHECKING:
    from verify.target import Target

STAGE = "outside"
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


@FAMILIES
def test_only_declared_ports_answer(target: Target, family: int) -> None:
    """No other port answers."""
    answer = heard(target, family, target.outside.scan())
    empty(undeclared(target, "tcp", family, answer), f"ports that answer on IPv{family}")


@FAMILIES
def test_declared_ports_answer(target: Target, family: int) -> None:
    """The declared ports answer, which also proves that the scan reached the host."""
    answer = heard(target, family, target.outside.scan())
    empty(
        [
            f"{one.name} ({one.reason}) is silent"
            for one in wanted(target, "tcp", answer)
            if str(one.port) not in answer["found"]
        ],
        f"declared ports are not reachable on IPv{family}",
    )
