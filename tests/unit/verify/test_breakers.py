"""No check of the verification goes without a way to break it, or without a reason why it has none."""

from __future__ import annotations

import pytest

from tests.hosts.breakers import ALONE, BREAKERS, ROUND, ROUNDS, UNBROKEN, Breaker, checks
from tests.hosts.test_breakers import GIVEN

BROKEN = {(one.promise, effect.check) for one in BREAKERS for effect in one.effects if effect.says}
NAMES = [one.name for one in BREAKERS]


def test_every_check_has_a_breaker_or_a_reason() -> None:
    without = checks() - BROKEN
    assert sorted(without - UNBROKEN.keys()) == [], "write `# breaks CHECK: words` into a breaker of the promise"
    assert sorted(UNBROKEN.keys() - without) == [], "it has a breaker, or is there no more"


@pytest.mark.parametrize("breaker", BREAKERS, ids=NAMES)
def test_a_breaker_names_checks_of_its_promise(breaker: Breaker) -> None:
    named = {(breaker.promise, effect.check) for effect in breaker.effects}
    assert named, "it says of no check that it breaks it"
    assert named <= checks()
    # A line that is none would be a comment, and judge nothing.
    for line in breaker.text.splitlines():
        if line.startswith(("# breaks", "# keeps")):
            word, _, rest = line.removeprefix("# ").partition(" ")
            assert (word == "breaks") == (": " in rest), line
            assert rest.partition(":")[0].split()[0] in {effect.check for effect in breaker.effects}, line
        assert not line.startswith("# round") or ROUND.fullmatch(line), line


def test_every_promise_has_a_breaker_of_its_name() -> None:
    assert (
        {one.promise for one in BREAKERS} == {promise for promise, _ in checks()} == {n for n in NAMES if "." not in n}
    )


def test_words_tell_breakers_of_a_round_apart() -> None:
    """Two that mean one check in one round say different things of it: neither passes by what the other broke."""
    for name in ROUNDS:
        said = [
            (one.promise, effect.check, effect.says)
            for one in BREAKERS
            if one.round == name
            for effect in one.effects
            if effect.says
        ]
        assert len(set(said)) == len(said), name


def test_who_is_given_something_is_alone() -> None:
    assert all(one.round.startswith(ALONE) for one in BREAKERS if one.promise in GIVEN)
