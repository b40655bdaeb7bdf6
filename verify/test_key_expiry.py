"""Every person's access ends by itself on the declared day, even if nobody runs anything."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target


def test_keys_carry_their_last_day(target: Target) -> None:
    """Every key in force says when it stops, no later than the end of its owner's last day."""
    last = {one["name"]: one["until"] for one in target.expected.valid if one.get("until")}
    problems, seen = [], 0
    for listed in target.inside()["authorized_keys"]:
        if listed["account"] not in last:
            continue
        end = dt.datetime.fromisoformat(last[listed["account"]]).replace(tzinfo=dt.UTC) + dt.timedelta(days=1)
        for key in listed["keys"]:
            seen += 1
            place = f"{listed['path']} line {key['line']}"
            match = re.search(r'expiry-time="(\d{8})(\d{4})?(\d\d)?(Z?)"', key["options"])
            if not match:
                problems.append(f"{place}: has no last day, {listed['account']} has one: {last[listed['account']]}")
                continue
            stops = dt.datetime.strptime(match[1] + (match[2] or "0000"), "%Y%m%d%H%M").replace(tzinfo=dt.UTC)
            if stops > end:
                problems.append(f"{place}: stops on {stops:%Y-%m-%d %H:%M}, after {last[listed['account']]}")
    if not seen:
        not_applicable("no declared person has a key on this host")
    empty(problems, "access would outlive its declared end")


def test_accounts_carry_their_last_day(target: Target) -> None:
    """Every account of a person expires no later than the day after the last declared one."""
    found = {one["name"]: one for one in target.inside()["accounts"]}
    dated = [one for one in target.expected.valid if one.get("until") and one["name"] in found]
    if not dated:
        not_applicable("no declared person has an account on this host")
    problems = []
    for person in dated:
        last = (dt.date.fromisoformat(person["until"]) - dt.date(1970, 1, 1)).days
        expires = found[person["name"]]["expires"]
        if expires is None:
            problems.append(f"{person['name']}'s account never expires")
        elif expires > last + 1:
            problems.append(f"{person['name']}'s account expires {expires - last} days after {person['until']}")
    empty(problems, "access would outlive its declared end")
