"""The `authorized_keys` filter: the lines of /etc/ssh/authorized_keys.d on one host."""

from __future__ import annotations

import ipaddress
from datetime import date, timedelta
from typing import Any


def jump_addresses(cat: Any, host: str) -> list[str]:
    """Return the networks that a login over the host's jump host comes from: each address of the jump host."""
    jump = cat["hosts"].get(cat["hosts"][host]["ssh"]["jump"])
    found = []
    for address in [jump["address"], *(a for n in jump["networks"] for a in n["addresses"])] if jump else []:
        try:
            found.append(str(ipaddress.ip_network(address)))
        except ValueError:  # a DNS name
            continue
    return found


def options_of(cat: Any, host: str, person: dict[str, Any]) -> str:
    """Return the options in front of each of a person's keys."""
    kinds = {right["kind"] for right in person["rights"] if host in right["on"]}
    options = []
    # Shell and terminal are for people who may log in. The others get what their right needs, and nothing else.
    if person["kind"] == "automation" or not kinds & {"admin", "login"}:
        options.append("restrict")
        if kinds & {"forward", "jump"}:
            options.append("port-forwarding")
        if kinds <= {"forward", "jump"}:
            options.append('command="/usr/sbin/nologin"')
    if person["factors"] == "fido2":
        options.append("verify-required")
    if "any" not in person["from"]:
        options.append(f'from="{",".join(sorted({*person["from"], *jump_addresses(cat, host)}))}"')
    # sshd refuses a key from this minute on: the one after the last valid day, in UTC.
    end = date.fromisoformat(person["until"]) + timedelta(days=1)
    options.append(f'expiry-time="{end:%Y%m%d}0000Z"')
    return ",".join(options)


def authorized_keys(cat: Any, host: str, today: str) -> list[dict[str, Any]]:
    """Return the key files of `host` as [{name, lines}], sorted by name.

    Of everybody with a right there whose end has not passed. A person without a key has no file.
    today: 'YYYY-MM-DD', UTC.
    """
    found = []
    for person in cat["people"]:
        if person["keys"] and person["until"] >= str(today) and any(host in right["on"] for right in person["rights"]):
            options = options_of(cat, host, person)
            lines = sorted(f"{options} {key['key']} {person['name']}:{key['name']}" for key in person["keys"])
            found.append({"name": person["name"], "lines": lines})
    return sorted(found, key=lambda item: str(item["name"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"authorized_keys": authorized_keys}
