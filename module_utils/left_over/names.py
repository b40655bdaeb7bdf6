"""Names of packages, units and files, and whether a list allows them."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def template(unit: str) -> str:
    """The template of an instance, of another unit its own name."""
    return re.sub(r"@.*\.", "@.", unit)


def allows(patterns: Iterable[str], unit: str) -> bool:
    """Whether a unit is allowed: by its own name, or by its template's."""
    patterns = [*patterns]
    return matches(unit, patterns) or matches(template(unit), patterns)


def printable(text: str) -> str:
    """A name that a stranger may have chosen, for people."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
