"""The end of services that are declared no more, within its time and its own words."""

from __future__ import annotations

import kept_files
import layout
import pytest
import retirement
import settling


def test_however_many_are_gone_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the program has its own end: the accounts of all that are gone share one time."""
    given: list[int] = []
    records = {f"gone-{number}": {"ports": [8000]} for number in range(8)}
    monkeypatch.setattr(kept_files, "by_name", lambda place: dict(records) if place == layout.RECORDS else {})

    def retire(_name: str, _record: object, seconds: int) -> str:
        given.append(seconds)
        return ""

    monkeypatch.setattr(retirement, "retire", retire)
    settling.settle(1)
    assert len(given) == 8
    assert sum(given) <= settling.SEARCH_SECONDS


@pytest.mark.parametrize("odd", ["\n", "\r", "\u0085", "\u2028", "\udcff"], ids=ascii)
def test_what_an_account_owns_speaks_for_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    """A line that begins with `not up:` fails the run for another service; a file may be named like one."""
    monkeypatch.setattr(kept_files, "by_name", lambda place: {"gone": {}} if place == layout.RECORDS else {})
    monkeypatch.setattr(retirement, "retire", lambda *_: f"gone stays: it owns /x{odd}not up: blog: it is down")
    settling.settle(1)
    said = capsys.readouterr().out
    assert said.isascii()
    assert [line.partition(":")[0] for line in said.splitlines()] == ["gone stays"]
