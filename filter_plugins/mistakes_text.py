"""The `mistakes_text` filter: findings of the *_mistakes filters as one text for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def mistakes_text(found: Sequence[dict[str, str]], level: str) -> str:
    """Return all findings of `level` (mistake or warning) as lines, one each, sorted. Empty when there is none."""
    lines: list[str] = []
    for item in sorted(found, key=lambda item: (item["entry"], item["key"], item["value"], item["fix"])):
        line = f"- {item['entry']}, {item['key'] or 'entry'}: found {item['value']}; {item['fix']}"
        if item["level"] == level and line not in lines:
            lines.append(line)
    return "\n".join(lines)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"mistakes_text": mistakes_text}
