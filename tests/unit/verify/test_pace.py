"""Refused logins are spaced below what makes OpenSSH turn an address away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.pace import NO_LOGIN, REFUSED_LOGIN, Pace

THRESHOLD = 15.0


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.tuples(st.sampled_from([NO_LOGIN, REFUSED_LOGIN]), st.floats(0, 8)), max_size=60))
def test_one_more_failure_stays_below_the_threshold(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    pace = Pace(clock, clock.sleep)
    for cost, later in steps:
        pace.before(cost)
        assert pace.outstanding() + REFUSED_LOGIN < THRESHOLD
        clock.sleep(later)


def test_the_first_does_not_wait() -> None:
    clock = Clock()
    assert Pace(clock, clock.sleep).before(REFUSED_LOGIN) == 0


def test_four_refusals_take_about_ten_seconds() -> None:
    clock = Clock()
    pace = Pace(clock, clock.sleep)
    waited = sum(pace.before(REFUSED_LOGIN) for _ in range(4))
    assert waited == pytest.approx(10.5)
