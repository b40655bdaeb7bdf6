"""The `sudo_rules` filter: who becomes root on one host, and how."""

from __future__ import annotations

from typing import Any


def sudo_rules(cat: Any, host: str, today: str) -> list[dict[str, Any]]:
    """Return the admins of `host` as [{name, nopasswd}], sorted by name: valid people, and the console account (with a password).

    today: 'YYYY-MM-DD', UTC.
    """
    console = cat["hosts"][host]["console"]
    rules = {
        person["name"]: person["sudo"] == "nopasswd"
        for person in cat["people"]
        if person["until"] >= str(today)
        and any(right["kind"] == "admin" and host in right["on"] for right in person["rights"])
    }
    if console not in {None, "none"} and all(person["name"] != console for person in cat["people"]):
        rules[console] = False
    return [{"name": name, "nopasswd": rules[name]} for name in sorted(rules)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"sudo_rules": sudo_rules}
