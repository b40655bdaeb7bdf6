"""The `admin_mistakes` filter: hosts that nobody could administer, soon or now, and an operator who may not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Names that the system or holdfast uses itself, as in name_mistakes.
TAKEN = frozenset(Path(__file__).with_name("taken_names.txt").read_text(encoding="utf-8").split())


def finding(level: str, entry: str, key: str, value: Any, fix: str) -> dict[str, str]:
    """Return one finding in the form that all *_mistakes filters share."""
    return {"level": level, "entry": entry, "key": key, "value": str(value)[:60], "fix": fix}


def may(person: Mapping[str, Any], kind: str, host: str) -> bool:
    """Tell whether `person` has a right of `kind` on `host`."""
    return any(right["kind"] == kind and host in right["on"] for right in person["rights"])


def able(person: Mapping[str, Any], today: str) -> bool:
    """Tell whether `person` can log in: not ended (an end that is missing is told elsewhere), with a key."""
    return (not person["until"] or person["until"] >= today) and bool(person["keys"])


def is_taken(name: str) -> bool:
    """Tell whether an account of that name is the system's, or would have the rights of one of its groups."""
    return name in TAKEN or name.startswith(("systemd-", "holdfast"))


def host_mistakes(cat: Any, host: str, today: str) -> Iterator[dict[str, str]]:
    """Yield whether `host` has an admin and a console, now and for long enough."""
    admins = [person for person in cat["people"] if person["kind"] == "person" and may(person, "admin", host)]
    doors = [person for person in admins if able(person, today)]
    entry = f"host {host}"
    if not doors:
        why = f"only {', '.join(person['name'] for person in admins)}, ended or without a key" if admins else "nobody"
        yield finding(
            "mistake",
            entry,
            "admin",
            why,
            "give a person with a key and an end in the future the right {admin: true, on: [...]}",
        )
    elif all(person["until"] for person in doors):
        last = max(doors, key=lambda person: str(person["until"]))
        soon = (date.fromisoformat(today) + timedelta(days=cat["policy"]["access"]["warn_days"])).isoformat()
        if last["until"] <= soon:
            fix = (
                f"THE LAST ADMIN DOOR of this host closes on that day: verify {last['name']} again and set a later end"
            )
            yield finding("warning", entry, "admin", f"{last['name']} until {last['until']}", fix)
    console = cat["hosts"][host]["console"]
    holder = next((person for person in cat["people"] if person["name"] == console), None)
    if console is None:
        fix = "write an account whose password opens the console, or console: none; here or in policy.access.console"
        yield finding("mistake", entry, "host.console", "nothing", fix)
    elif console == "none":
        yield finding(
            "warning",
            entry,
            "host.console",
            "none",
            "legal but weak: when SSH is lost, only the provider's rescue system is left",
        )
    elif is_taken(console) or console in cat["policy"]["access"]["keep_accounts"]:
        yield finding(
            "mistake",
            entry,
            "host.console",
            console,
            "name an admin, or a break-glass account of its own: this one is not holdfast's",
        )
    elif holder and (holder["kind"] != "person" or not may(holder, "admin", host)):
        yield finding(
            "mistake",
            entry,
            "host.console",
            console,
            "name a person with the admin right here, or an account that is not in `people`",
        )
    elif holder and holder["until"] and holder["until"] < today:
        yield finding(
            "mistake", entry, "host.console", console, f"name another account: {console} ended on {holder['until']}"
        )


def operator_mistakes(cat: Any, operator: str, hosts: Iterable[str], today: str) -> Iterator[dict[str, str]]:
    """Yield why `operator` could not do this run's next one."""
    admins = sorted(
        person["name"] for person in cat["people"] if any(right["kind"] == "admin" for right in person["rights"])
    )
    say = "say who you are: -e operator=NAME or HOLDFAST_OPERATOR=NAME"
    person = next((person for person in cat["people"] if person["name"] == operator), None)
    if person is None:
        yield finding(
            "mistake",
            "operator",
            "operator",
            operator or "nothing",
            f"{say}; admins are: {', '.join(admins) or 'none'}",
        )
        return
    if person["until"] and person["until"] < today:
        yield finding(
            "mistake",
            "operator",
            "operator",
            operator,
            f"{operator} ended on {person['until']}: another admin must run this",
        )
    if not person["keys"]:
        yield finding(
            "mistake",
            "operator",
            "operator",
            operator,
            f"{operator} has no usable key, so the next run could not log in: add one",
        )
    shut = sorted(host for host in hosts if host in cat["hosts"] and not may(person, "admin", host))
    if shut:
        fix = f"no admin there: {say}, give the right, or use --limit; admins are: {', '.join(admins) or 'none'}"
        yield finding("mistake", "operator", "operator", f"{operator} on {', '.join(shut)}", fix)
    needed = sorted({cat["hosts"][host]["ssh"]["jump"] for host in hosts if host in cat["hosts"]} - {None})
    for jump in needed:
        if jump in cat["hosts"] and not may(person, "jump", jump):
            fix = f"give {operator} the right {{jump: true, on: [{jump}]}}: only who has it gets through"
            yield finding("mistake", "operator", "rights", f"no jump right on {jump}", fix)


def admin_mistakes(cat: Any, today: str, operator: str, hosts: Iterable[str]) -> list[dict[str, str]]:
    """Return what keeps admins out as [{level, entry, key, value, fix}], sorted. Never raises on a tolerant catalogue.

    today: 'YYYY-MM-DD', UTC. operator: name of the person who runs the play. hosts: those that the run is for.
    Whether every host has an admin is told for the whole environment, whatever the run is limited to.
    """
    today, hosts = str(today), [str(host) for host in hosts]
    found = list(operator_mistakes(cat, str(operator or ""), hosts, today))
    for host in cat["hosts"]:
        found += host_mistakes(cat, host, today)
    jumps = {settings["ssh"]["jump"] for settings in cat["hosts"].values()} & set(cat["hosts"])
    for person in cat["people"]:
        for jump in sorted(jumps):
            behind = [name for name, settings in cat["hosts"].items() if settings["ssh"]["jump"] == jump]
            reach = [name for name in behind if any(name in right["on"] for right in person["rights"])]
            if reach and not may(person, "jump", jump) and person["name"] != operator:
                fix = f"give the right {{jump: true, on: [{jump}]}}: without it there is no way to {', '.join(reach)}"
                found.append(
                    finding("warning", f"{person['kind']} {person['name']}", "rights", f"no jump right on {jump}", fix)
                )
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"admin_mistakes": admin_mistakes}
