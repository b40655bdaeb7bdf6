"""The `health_mistakes` filter: limits in the wrong order."""

from __future__ import annotations

from typing import Any

FALLING = {"certificate_days"}  # the less is left, the worse


def health_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return limits that would fail before they warn as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    found = []
    for name, limits in sorted(cat["policy"]["health"].items()):
        if not isinstance(limits, dict):
            continue
        warn, fail = limits["warn"], limits["fail"]
        if (warn < fail) if name in FALLING else (warn > fail):
            word = "above" if name in FALLING else "below"
            fix = f"write {{warn: ..., fail: ...}} with the second not {word} the first: it warns before it fails"
            value = f"warn {warn}, fail {fail}"
            found.append({"level": "mistake", "entry": "policy", "key": f"health.{name}", "value": value, "fix": fix})
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"health_mistakes": health_mistakes}
