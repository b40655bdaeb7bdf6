"""How a check ends other than by passing or failing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest
from _pytest.outcomes import Skipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verify.target import Target


class NotApplicable(Skipped):
    """The promise asks for something that this host, by its declarations, does not have."""


def not_applicable(reason: str) -> NoReturn:
    """End the check: it does not apply here, for a reason that the report shows.

    Raises:
        NotApplicable: always.
    """
    raise NotApplicable(reason, allow_module_level=False)


def no_units(target: Target, kinds: Sequence[str]) -> str:
    """Return why nothing is judged of units of these kinds: none is declared, or none of a release that is unread here.

    kinds: of `parts` and `schedules`.
    """
    what = " or ".join({"parts": "part that runs all the time", "schedules": "schedule"}[kind] for kind in kinds)
    unread = target.expected.unread_releases
    if not any(target.expected.unread(kind) for kind in kinds):
        return f"no service with a {what} is declared here"
    return f"the machine that verifies cannot read the releases of {', '.join(unread)}, and no {what} of them is there"


def empty(problems: list[str], what: str) -> None:
    """Fail with every problem at once, one a line.

    Raises:
        pytest.fail.Exception: when there is any.
    """
    if problems:
        pytest.fail(f"{what}:\n" + "\n".join(f"- {one}" for one in problems), pytrace=False)
