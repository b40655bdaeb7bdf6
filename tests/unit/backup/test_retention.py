"""Retention: what is old goes, and neither a wrong clock nor a standstill takes the whole history."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
import retention
import snapshots

if TYPE_CHECKING:
    from .conftest import Restic


def made(*days: float) -> str:
    """Return restic's list of snapshots that were made so many days ago, named after that."""
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    times = {f"{day:g}": now - datetime.timedelta(days=day) for day in days}
    # restic tells nanoseconds.
    return json.dumps([{"id": name, "time": f"{time:%Y-%m-%dT%H:%M:%S}.123456789Z"} for name, time in times.items()])


def forget(restic: Restic, order: dict[str, Any], *days: float) -> list[list[str]]:
    """Let it forget where snapshots of these days are; return with what restic was told to forget."""
    restic.answers["snapshots"] = (0, made(*days), "")
    retention.forget(order)
    return restic.said("forget")


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(range(500), id="each day"),
        pytest.param([0], id="the first one"),
        pytest.param([0, 0.01, 0.02, 31, 62], id="each month"),
        pytest.param([*range(14), 400], id="long after a standstill"),
        pytest.param([-700, *range(20)], id="one of the future"),
        pytest.param([-700, -701, -702], id="a clock that stands behind"),
    ],
)
def test_what_is_old_goes(restic: Restic, order: dict[str, Any], days: list[float]) -> None:
    (told,) = forget(restic, order, *days)
    keep = {word for word in told if word.startswith("--keep")}
    assert keep == {"--keep-within-daily=14d", "--keep-within-weekly=2m", "--keep-within-monthly=1y", "--keep-daily=14"}
    assert "--prune" in told


HOUR = 1 / 24


@pytest.mark.parametrize(
    ("days", "before", "after"),
    [
        pytest.param([0, *range(700, 1000)], 700, 0, id="a clock that stands ahead, or a standstill"),
        pytest.param([*range(13), *range(700, 1000)], 700, 12, id="and days later"),
        pytest.param(
            [*(HOUR / 60 * number for number in range(40)), 400], 400, HOUR / 60 * 39, id="and many backups later"
        ),
        pytest.param([-10, 0, 40, 80], 40, 0, id="beside one of the future"),
    ],
)
def test_nothing_goes_after_a_gap(
    restic: Restic,
    order: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    days: list[float],
    before: float,
    after: float,
) -> None:
    assert forget(restic, order, *days) == []
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    dates = [f"{now - datetime.timedelta(days=day):%Y-%m-%d}" for day in (before, after)]
    assert f"between {dates[0]} and {dates[1]}: is the clock right?" in capsys.readouterr().out


def test_the_latest_is_none_of_the_future(restic: Restic, order: dict[str, Any]) -> None:
    restic.answers["snapshots"] = (0, made(3, -700, 1), "")
    assert snapshots.of_host(order)[-1]["id"] == "1"
    restic.answers["snapshots"] = (0, made(-700, -1), "")
    assert snapshots.of_host(order)[-1]["id"] == "-700", "under a clock that stands behind, the newest"
    restic.answers["snapshots"] = (0, "null", "")
    assert snapshots.of_host(order) == []
