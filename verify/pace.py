"""Spacing of refused logins, so that proving a refusal never makes the host shut out the address it is proved from.

OpenSSH adds a penalty to an address for each login that fails and for each connection that does not log in, and turns
it away once they add up to 15 seconds. They run off second by second. This keeps the sum so low that one more failed
login of somebody else behind the same address, such as the next run's first try, stays below the threshold too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED_LOGIN: Final = 5.0
NO_LOGIN: Final = 1.0
CEILING: Final = 9.5
"""15 s is the threshold and 5 s the room that is left to others."""


class Pace:
    """The penalties that one address family has collected, as the host counts them."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with none."""
        self._clock = clock
        self._sleep = sleep
        self._until = clock()

    def outstanding(self) -> float:
        """Seconds of penalty that have not run off."""
        return max(0.0, self._until - self._clock())

    def before(self, cost: float) -> float:
        """Wait until a connection that costs `cost` seconds of penalty is harmless; returns the seconds waited."""
        wait = max(0.0, self.outstanding() + cost - CEILING)
        if wait:
            self._sleep(wait)
        self._until = max(self._until, self._clock()) + cost
        return wait
