"""The firewall's live rules: saved as a dump before the commit, put back whole, dynamic elements included."""

from __future__ import annotations

import hashlib
import json
import re

from host import LIVE, TABLES, GuardError, run, write_durably

NOT_INSTALLED = 127
ABSENT = "No such file or directory"  # what nft says of a table that is not there
RULE = re.compile(r'\b(?:accept|drop|jump \S+|goto \S+)\b.*comment "([^"]+)"|comment "([^"]+)".*\b(?:accept|drop)\b')


def dump(table: str) -> str:
    """Rules of one table (family and name) without counters; empty when there is no such table.

    Any other failure is told: a way back that was saved without the rules would open the host.
    """
    code, text = run("nft", "--stateless", "list", "table", *table.split())
    if code not in (0, NOT_INSTALLED) and ABSENT not in text:
        raise GuardError(f"the live rules of the table {table} cannot be read: {text}")
    return "" if code else text


def save(tables: list[str]) -> None:
    """Write what brings the tables back: each is removed and made again in one transaction."""
    parts = []
    for table in tables:
        parts += [f"add table {table}", f"delete table {table}", dump(table)]
    write_durably(TABLES, ("\n".join(parts) + "\n").encode())


def restore(tables: list[str]) -> list[str]:
    """Load the saved rules. Return the problems met."""
    if not tables:
        return []
    code, text = run("nft", "-f", TABLES)
    if code == NOT_INSTALLED:  # then there is no table either
        return []
    return [f"nft: {text}"] if code else []


def digest(table: str) -> str:
    """SHA-256 of a live table without counters and set elements, which change by themselves.

    With accounts by name: an account that was made anew has another number, and the rules hold the old one.
    """
    text = run("nft", "--stateless", "--terse", "--guid", "list", "table", *table.split())[1]
    return hashlib.sha256(text.encode()).hexdigest()


def drifted(tables: list[str]) -> list[str]:
    """Tables that somebody changed by hand, or flushed, since the last commit brought them live."""
    known = remembered()
    return [table for table in tables if table in known and digest(table) != known[table]]


def remembered() -> dict[str, str]:
    """The digest of each table as the last confirmed commit left it."""
    try:
        with open(LIVE, encoding="utf-8") as handle:
            found: dict[str, str] = json.load(handle)
    except (FileNotFoundError, ValueError):
        return {}
    return found


def remember(tables: list[str]) -> None:
    """Keep the digests of what is live now."""
    if tables:
        write_durably(LIVE, json.dumps({table: digest(table) for table in tables}).encode())


def comments(text: str) -> set[str]:
    """What each rule of a ruleset is for, by its comment."""
    return {first or second for first, second in RULE.findall(text)}


def says(before: str, after: str) -> list[str]:
    """In words, what a new ruleset opens and closes."""
    old, new = comments(before), comments(after)
    return [f"close {what}" for what in sorted(old - new)] + [f"open {what}" for what in sorted(new - old)]
