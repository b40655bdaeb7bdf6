"""The `calendar_mistakes` filter: times that systemd would refuse on a host, told before one is contacted.

What passes here is taken by systemd 252 (Debian 12) and 257 (Debian 13) alike; both may take more. tests/calendars.py
says what is what, and tests/hosts/test_updates.py asks both of them.
"""

from __future__ import annotations

import re
from typing import Any

SHORTHANDS = ("minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "annually", "yearly")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YEAR, MONTH, DAY = ("year", 1970, 2199), ("month", 1, 12), ("day", 1, 31)
DAY_BACK = ("day before the month's end", 1, 28)
CLOCK = (("hour", 0, 23), ("minute", 0, 59), ("second", 0, 59))
EXAMPLES = 'such as daily, "Sun 03:00", "Mon..Fri 02:30" or "*-*-1 00/4:00"'


def day_number(word: str) -> int:
    """Return a day's place in the week.

    Raises ValueError: it is none.
    """
    for number, day in enumerate(DAYS):
        if word.lower() in (day.lower(), day[:3].lower()):
            return number
    raise ValueError(f"{word or 'nothing'} is no day of the week: write a time {EXAMPLES}")


def judge_days(text: str) -> None:
    """Judge `Mon..Wed,Fri`.

    Raises ValueError: what to write instead.
    """
    for item in text.split(","):
        first, dots, last = item.partition("..")
        begin = day_number(first)
        end = day_number(last) if dots else begin
        if end < begin:
            wanted = ",".join(DAYS[(begin + offset) % 7][:3] for offset in range((end - begin) % 7 + 1))
            raise ValueError(f"systemd takes no range over the week's end: write {wanted}")


def judge_item(item: str, name: str, low: int, high: int) -> tuple[int, int, int]:
    """Return a number, `1..5`, `0/2` or `1..5/2` as (first, last, step); last is `high` without a range.

    Raises ValueError: what to write instead.
    """
    found = re.fullmatch(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?", item)
    if found is None:
        if re.fullmatch(r"\*/[0-9]{1,4}", item):
            raise ValueError(f"systemd takes no step behind a star: write {low}{item[1:]} for the {name}")
        raise ValueError(
            f"{item or 'nothing'} is no {name}: write a number, a list 1,2, a range 1..5, a step 1/2, or * alone"
        )
    first, last = int(found[1]), int(found[2] or high)
    for number in (first, last):
        if not low <= number <= high:
            raise ValueError(f"{name} {number} is out of bounds: write {low} to {high}")
    if found[2] and last <= first:
        raise ValueError(f"the {name} {item} is no range: write the less before the greater, or one number")
    if found[3] and int(found[3]) == 0:
        raise ValueError(f"the {name} {item} never goes on: write a step of 1 or more")
    return first, last, int(found[3] or 0)


def judge_values(text: str, name: str, low: int, high: int) -> None:
    """Judge a year, a month, a day, an hour, a minute or a second: `*`, or a list.

    Raises ValueError: what to write instead.
    """
    for item in text.split(",") if text != "*" else ():
        first, last, step = judge_item(item, name, low, high)
        if first + step > last:
            raise ValueError(f"the {name} {item} ends before its first step: write a lesser step, or {first} alone")


def judge_day_back(text: str) -> None:
    """Judge the day behind a `~`, counted from the month's end: 1 is the last one, `7/1` are the last seven.

    Raises ValueError: what to write instead.
    """
    # systemd takes some lists and ranges there, and refuses others by a rule that nobody would guess.
    if re.fullmatch(r"[0-9]{1,4}(/[0-9]{1,4})?", text) is None:
        raise ValueError(f"~{text} is no day before the month's end: write ~1 for the last, or ~7/1 for the last seven")
    first, _last, step = judge_item(text, *DAY_BACK)
    if first - step < 1:
        raise ValueError(f"the day ~{text} ends before its first step: write a lesser step, or ~{first} alone")


def judge_date(text: str) -> None:
    """Judge YEAR-MONTH-DAY or MONTH-DAY.

    Raises ValueError: what to write instead.
    """
    found = re.fullmatch(r"(?:([^-~]+)-)?([^-~]+)([-~])([^-~]+)", text)
    if found is None:
        raise ValueError(f"{text} is no date: write YEAR-MONTH-DAY or MONTH-DAY, such as *-*-1, or a time {EXAMPLES}")
    year, month, mark, day = found.groups()
    judge_values(year or "*", *YEAR)
    judge_values(month, *MONTH)
    if mark == "~":
        judge_day_back(day)
    else:
        judge_values(day, *DAY)


def judge_clock(text: str) -> None:
    """Judge HOUR:MINUTE or HOUR:MINUTE:SECOND.

    Raises ValueError: what to write instead.
    """
    values = text.split(":")
    if len(values) not in (2, 3):
        raise ValueError(f"{text} is no time of the day: write HOUR:MINUTE or HOUR:MINUTE:SECOND")
    for value, part in zip(values, CLOCK, strict=False):
        judge_values(value, *part)


def judge(text: str) -> None:
    """Judge a calendar expression.

    Raises ValueError: what to write instead.
    """
    # " UTC" comes behind it, and a shorthand or a time of the day with two spaces there is none to systemd.
    if not text or text != text.strip():
        raise ValueError(f"leave no space before it or behind it: write a time {EXAMPLES}")
    words = [word for word in text.split(" ") if word]
    if words[0].lower() in SHORTHANDS:
        if len(words) > 1:
            raise ValueError(f"{words[0]} stands alone, and is in UTC: leave out {' '.join(words[1:])}")
        return
    if words[0][0].isalpha():
        judge_days(words.pop(0))
    if words and ":" not in words[0] and not words[0][0].isalpha():
        judge_date(words.pop(0))
    if words and ":" in words[0]:
        judge_clock(words.pop(0))
    if words:
        rest = " ".join(words)
        raise ValueError(f"leave out {rest}: days, a date and a time come in this order, in UTC and without a zone")


def calendars(cat: Any) -> list[tuple[str, str, str]]:
    """Return (entry, key, text) of every calendar expression of an environment."""
    found = [
        ("policy", "updates.every", cat["policy"]["updates"]["every"]),
        ("policy", "backup.at", cat["policy"]["backup"]["at"]),
    ]
    for service in cat["services"]:
        found += [
            (f"service {service['name']}", f"schedule[{item['name']}].at", item["at"]) for item in service["schedule"]
        ]
    for name, host in cat["hosts"].items():
        if host["window"]:
            found.append((f"host {name}", "host.window.at", host["window"]["at"]))
    return found


def calendar_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return the times that systemd would refuse as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    found = []
    for entry, key, text in calendars(cat):
        try:
            judge(text)
        except ValueError as error:
            found.append({"level": "mistake", "entry": entry, "key": key, "value": text[:60], "fix": str(error)})
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"calendar_mistakes": calendar_mistakes}
