"""Which packages are on a host that nobody declared and that nothing declared needs."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is allowed by one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def template(unit: str) -> str:
    """The template of an instance, of another unit its own name."""
    return re.sub(r"@.*\.", "@.", unit)


def names(relation: str) -> set[str]:
    """Names in a list of dependencies, alternatives included, without versions and architectures."""
    parts = re.split(r"[,|]", relation)
    return {re.split(r"[\s:(\[]", part.strip(), maxsplit=1)[0] for part in parts if part.strip()}


def left_over(manual: Iterable[str], installed: dict[str, dict[str, str]], allowed: Iterable[str]) -> list[str]:
    """Return the packages that somebody asked for, that are not allowed, and that no allowed one needs or recommends.

    Debian's own core (required, important, essential) is allowed without being named.
    """
    providers: dict[str, set[str]] = {}
    for name, entry in installed.items():
        for one in {name, *names(entry["provides"])}:
            providers.setdefault(one, set()).add(name)
    patterns = list(allowed)
    wanted = [
        name
        for name, entry in installed.items()
        if entry["priority"] in ("required", "important") or entry["essential"] == "yes" or matches(name, patterns)
    ]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            wanted += [one for needed in names(installed[name]["needs"]) for one in providers.get(needed, ())]
    # A package of a foreign architecture is told as name:arch.
    return sorted(name for name in manual if name.partition(":")[0] not in seen)


def lines(configuration: str) -> list[tuple[str, Any]]:
    """Return the (key, value) pairs of settings in the order in which they count."""
    found = []
    for raw in configuration.splitlines():
        line = raw.strip()
        if line and line[0] not in "#;[" and "=" in line:
            key, _, value = line.partition("=")
            found.append((key.strip().removeprefix("-").replace("/", "."), " ".join(value.split())))
    return found
