"""A first run on a host whose clock is wrong ends early and says so; the run after the mending is the first run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Hardened


def test_wrong_clock(hardened: Hardened) -> None:
    """The package lists are from a future that the host does not know yet: the message begins with the clock."""
    run = hardened.wrong_clock
    assert run.code == 2, run.text[-3000:]
    assert "the clock of web1 says" in run.text.partition("TASK [base")[0], run.text[-3000:]
    # The reason that apt gives comes first, and is rescued.
    said = " ".join(run.text.split())
    assert "First, the clock of web1 says" in said, run.text[-3000:]
    assert "no setting was changed" in said, run.text[-3000:]
    assert hardened.first_run.code == 0
