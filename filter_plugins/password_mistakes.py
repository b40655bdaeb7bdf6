"""The `password_mistakes` filter: password hashes in vault that are missing or weak. No value ever leaves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STRONG = re.compile(
    r"\$(6\$(rounds=[0-9]{4,9}\$)?[./A-Za-z0-9]{8,16}\$[./A-Za-z0-9]{86}|g?y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{8,86}\$[./A-Za-z0-9]{43})"
)
KINDS = {
    "$1$": "an MD5 hash",
    "$2": "a bcrypt hash",
    "$5$": "a SHA-256 hash",
    "$6$": "a damaged SHA-512 hash",
    "$y$": "a damaged yescrypt hash",
}
FIX = "write a SHA-512 or yescrypt hash: mkpasswd --method=yescrypt, or openssl passwd -6"


def kind_of(value: Any) -> str | None:
    """Return what is wrong with a hash, in words that hold nothing of it, or None for a strong one."""
    if not isinstance(value, str) or not value:
        return "nothing" if not value else "something that is no text"
    if STRONG.fullmatch(value):
        return None
    return next(
        (what for start, what in KINDS.items() if value.startswith(start)),
        "something that is no crypt hash (plain text?)",
    )


def password_mistakes(cat: Any, hashes: Any, today: str) -> list[dict[str, str]]:
    """Return what is wrong with vault.password_hashes as [{level, entry, key, value, fix}], sorted.

    cat: the catalogue, also a tolerant one. hashes: {name: crypt hash}. today: 'YYYY-MM-DD', UTC.
    Names and verdicts come out, never a value or a part of one. Never raises.
    """
    hashes = hashes if isinstance(hashes, Mapping) else {}
    found: list[dict[str, str]] = []

    def tell(level: str, entry: str, key: str, value: str, fix: str) -> None:
        found.append({"level": level, "entry": entry, "key": key, "value": value, "fix": fix})

    needed: dict[str, str] = {}
    for person in cat["people"]:
        admin = any(right["kind"] == "admin" for right in person["rights"])
        if (
            person["kind"] == "person"
            and person["sudo"] == "password"
            and admin
            and not (person["until"] and person["until"] < str(today))
        ):
            needed[person["name"]] = f"person {person['name']}"
    for name, host in cat["hosts"].items():
        if host["console"] not in {None, "none"}:
            needed.setdefault(host["console"], f"host {name}")
    for name, entry in sorted(needed.items()):
        key = f"vault.password_hashes.{name}"
        if name not in hashes:
            tell("mistake", entry, key, "nothing", f"sudo or the console asks for this password: {FIX}")
        elif (wrong := kind_of(hashes[name])) is not None:
            tell("mistake", entry, key, wrong, FIX)
    known = {person["name"] for person in cat["people"]} | set(needed)
    if unused := sum(1 for name in hashes if name not in known):
        # Not named: a key of this dict may be a value in the wrong place.
        tell(
            "warning",
            "vault",
            "password_hashes",
            f"{unused} that nobody uses",
            "remove what belongs to no declared account",
        )
    return sorted(found, key=lambda item: (item["entry"], item["key"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"password_mistakes": password_mistakes}
