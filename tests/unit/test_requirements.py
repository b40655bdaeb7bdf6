"""What a controller needs has its pins, and the tests run with the same ones."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "requirements"


def pins(name: str) -> dict[str, set[str]]:
    """Return the hashes of each pin of a file."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"(?m)^(?=\w)", text):
        if pin := re.match(r"[\w.-]+==\S+", entry):
            found[pin[0]] = set(re.findall(r"sha256:\w{64}", entry))
    return found


def test_the_verify_suite_has_all_that_it_imports() -> None:
    have = {pin.partition("==")[0] for pin in pins("run.txt")}
    assert {"ansible-core", "pytest", "pytest-testinfra", "ssh-audit"} <= have


def test_the_tests_run_with_the_pins_of_a_controller() -> None:
    run, dev = pins("run.txt"), pins("dev.txt")
    assert all(run.values())
    assert {pin: dev.get(pin) for pin in run} == run
