"""The `people_mistakes` filter: verification, ends, owners, sources and sudo of people and automations."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BROAD = {4: 8, 6: 16}  # a shorter prefix than this is as good as `any`


def finding(level: str, entry: str, key: str, value: Any, fix: str) -> dict[str, str]:
    """Return one finding in the form that all *_mistakes filters share."""
    return {"level": level, "entry": entry, "key": key, "value": str(value)[:60], "fix": fix}


def is_open(sources: list[str]) -> bool:
    """Tell whether `sources` let (nearly) everybody in."""
    networks = [ipaddress.ip_network(source) for source in sources if source != "any"]
    return "any" in sources or any(network.prefixlen < BROAD[network.version] for network in networks)


def verified_mistakes(
    entry: str,
    key: str,
    verified: Mapping[str, Any] | None,
    *,
    name: str,
    people: Mapping[str, Any],
    verifiers: list[str],
    today: str,
) -> Iterator[dict[str, str]]:
    """Yield why this verification cannot have happened in person."""
    if not verified:
        return
    by, on = verified["by"], verified["on"]
    end = people[name]["until"]
    if on and on > today:
        yield finding(
            "mistake", entry, f"{key}.on", on, "write the day on which it happened: this one is in the future"
        )
    elif on and end and on > end:
        yield finding(
            "mistake", entry, f"{key}.on", on, f"correct one of the two: this day is after the entry's end, {end}"
        )
    if by == name:
        yield finding(
            "mistake",
            entry,
            f"{key}.by",
            by,
            "name another person, or add somebody outside `people` to policy.access.verifiers",
        )
    elif by in people and people[by]["kind"] == "automation":
        yield finding("mistake", entry, f"{key}.by", by, "name a person: an automation cannot meet anybody")
    elif by in people and on and people[by]["until"] and on > people[by]["until"]:
        yield finding(
            "mistake", entry, f"{key}.on", on, f"have it verified again: {by} had ended on {people[by]['until']}"
        )
    elif by and by not in people and by not in verifiers:
        yield finding(
            "mistake",
            entry,
            f"{key}.by",
            by,
            "name a person of `people` or of policy.access.verifiers: this one is unknown",
        )


def automation_mistakes(entry: str, person: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what is wrong with an automation only."""
    owner = person["owner"]
    if not owner:
        yield finding("mistake", entry, "owner", "nothing", "name the person who answers for it")
    kinds = {right["kind"] for right in person["rights"]}
    if is_open(person["from"]) and kinds - {"deploy"}:
        more = ", ".join(sorted(kinds - {"deploy"}))
        fix = f"list the networks that it comes from: `any` is for deploy alone, and it may {more}"
        yield finding("mistake", entry, "from", ", ".join(person["from"]), fix)
    if person["factors"] != "key":
        yield finding(
            "mistake", entry, "factors", person["factors"], "write key: nobody is there to touch or type anything"
        )
    if person["sudo"] == "password":
        yield finding(
            "mistake",
            entry,
            "sudo",
            "password",
            "write nopasswd, or better take the admin right away: nobody is there to type it",
        )


def person_mistakes(entry: str, person: Mapping[str, Any], today: str) -> Iterator[dict[str, str]]:
    """Yield what is wrong, or legal but weak, with one entry by itself."""
    admin = any(right["kind"] == "admin" for right in person["rights"])
    until = person["until"]
    if until and until < today:
        fix = "its door is closed: remove the entry, or verify again in person and write a new end"
        yield finding("warning", entry, "until", until, fix)
    if admin and not person["sudo"]:
        yield finding(
            "mistake",
            entry,
            "sudo",
            "nothing",
            f"write sudo: password and its hash in vault.password_hashes.{person['name']}",
        )
    if person["sudo"] and not admin:
        yield finding("warning", entry, "sudo", person["sudo"], "remove it: it has no effect without the admin right")
    if not person["rights"]:
        yield finding("warning", entry, "rights", "none", "give a right, or remove the entry: it opens nothing")
    elif not person["keys"]:
        yield finding("warning", entry, "keys", "none", "add a public key: without one there is no login")
    if person["factors"] == "totp":
        yield finding(
            "mistake", entry, "factors", "totp", "write fido2, or key: a one-time code is not asked for by this version"
        )
    if person["kind"] == "person":
        if person["owner"]:
            yield finding("mistake", entry, "owner", person["owner"], "remove it, or write kind: automation")
        if admin and person["factors"] == "key":
            yield finding(
                "warning",
                entry,
                "factors",
                "key",
                "legal but weak for an admin: a stolen key file is enough; use factors: fido2",
            )
        if admin and is_open(person["from"]):
            yield finding(
                "warning",
                entry,
                "from",
                ", ".join(person["from"]),
                "legal but weak for an admin: list networks where they are fixed",
            )
    if admin and person["sudo"] == "nopasswd":
        yield finding(
            "warning", entry, "sudo", "nopasswd", "legal but weak: a stolen session is root; use sudo: password"
        )


def people_mistakes(cat: Any, today: str) -> list[dict[str, str]]:
    """Return what is wrong with people as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue. today: 'YYYY-MM-DD', UTC.
    """
    today = str(today)
    people = {person["name"]: person for person in cat["people"]}
    verifiers = cat["policy"]["access"]["verifiers"]
    found: list[dict[str, str]] = []
    for person in cat["people"]:
        entry = f"{person['kind']} {person['name']}"
        found += person_mistakes(entry, person, today)
        if person["kind"] == "automation":
            found += automation_mistakes(entry, person)
        seen = [(f"keys[{key['name']}].verified", key["verified"]) for key in person["keys"]]
        seen += [(f"rights[{right['kind']}].verified", right["verified"]) for right in person["rights"]]
        for key, verified in seen:
            found += verified_mistakes(
                entry, key, verified, name=person["name"], people=people, verifiers=verifiers, today=today
            )
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"people_mistakes": people_mistakes}
