"""The ways to break a host in tests/breakers, and what each says that it breaks; and the checks that none can break."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/breakers"
LINE = re.compile(r"# (?P<word>breaks|keeps) (?P<check>\w+)(?: on (?P<release>\w+))?(?:: (?P<says>.+))?")
ROUND = re.compile(r"(?m)^# round (\w+): .+$")
ALONE = "alone"

# By promise and check: why no script on a container can break it. In tests/unit/verify they are made red all the same:
# in test_unbroken.py and test_ssh_audit.py.
KERNEL = "a container's kernel is another's, so the check does not apply there"
CONTROLLER = "it is about the controller, which no script on the host changes"
QUICK = "whether a host without a throttle answers quickly enough to be noticed is the word of its machine"
UNBROKEN = {
    ("brute_force", "key_exchange_is_not_for_free"): QUICK,
    ("clock", "clock_is_synchronised"): KERNEL,
    ("host_identity", "checking_is_on"): CONTROLLER,
    ("host_identity", "declared_key"): "no host of the lab has a declared key; test_host_keys.py there has it red",
    ("kernel", "apparmor"): KERNEL,
    ("kernel", "audit"): KERNEL,
    ("kernel", "settings_now"): KERNEL,
    ("mounts", "options_now"): KERNEL,
    ("right_people", "operator_enters_and_is_root"): CONTROLLER,
}


@dataclass(frozen=True)
class Effect:
    """What a breaker does to one check of its promise, on all releases or one.

    ``says``: words of the check when it is broken in this way; empty for a check that the breaker leaves green.
    """

    check: str
    release: str
    says: str


@dataclass(frozen=True)
class Breaker:
    """One script: NAME.sh, or NAME.WHAT.sh where one file cannot break all of the promise NAME."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def promise(self) -> str:
        """The promise that it breaks."""
        return self.name.partition(".")[0]

    @property
    def text(self) -> str:
        """The script."""
        return self.path.read_text(encoding="utf-8")

    @property
    def round(self) -> str:
        """Those of one round are let loose on one host together: they must not hide each other."""
        found = ROUND.search(self.text)
        word = found[1] if found else "inside"
        return f"{ALONE} {self.name}" if word == ALONE else word

    @property
    def effects(self) -> list[Effect]:
        """What it does to the checks."""
        found = filter(None, map(LINE.fullmatch, self.text.splitlines()))
        return [Effect(one["check"], one["release"] or "", one["says"] or "") for one in found]


BREAKERS = [Breaker(path) for path in sorted(FOLDER.glob("*.sh"), key=lambda path: path.stem)]
ROUNDS = list(dict.fromkeys(one.round for one in BREAKERS))


def checks() -> set[tuple[str, str]]:
    """Every check of the verification, by promise."""
    return {
        (path.stem.removeprefix("test_"), node.name.removeprefix("test_"))
        for path in (ROOT / "verify").glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
