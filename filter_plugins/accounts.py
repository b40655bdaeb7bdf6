"""The `accounts` filter: the login accounts of one host."""

from __future__ import annotations

from typing import Any

ADMIN_GROUPS = {"password": ("holdfast-admin",), "nopasswd": ("holdfast-admin", "holdfast-nopasswd")}


def accounts(cat: Any, host: str, today: str) -> list[dict[str, Any]]:
    """Return the accounts of `host` as [{name, kind, groups, sudo, expires, shell, password}], sorted by name.

    Everybody with a right there whose end has not passed, and the console account. kind: person, automation or console.
    sudo: password, nopasswd or None. expires: last valid day 'YYYY-MM-DD', or None. password: whether the account has a
    hash in vault.password_hashes. today: 'YYYY-MM-DD', UTC.
    """
    console = cat["hosts"][host]["console"]
    found: list[dict[str, Any]] = []
    for person in cat["people"]:
        kinds = {right["kind"] for right in person["rights"] if host in right["on"]}
        if not kinds or person["until"] < str(today):
            continue
        admin = "admin" in kinds
        sudo = person["sudo"] if admin else None
        found.append(
            {
                "name": person["name"],
                "kind": person["kind"],
                "groups": sorted({"holdfast-ssh", *(ADMIN_GROUPS[sudo] if sudo else ())}),
                "sudo": sudo,
                "expires": person["until"],
                "shell": "/bin/bash",
                "password": sudo == "password" or person["name"] == console,
            }
        )
    if console not in {None, "none"} and all(person["name"] != console for person in cat["people"]):
        account = {
            "name": console,
            "kind": "console",
            "groups": ["holdfast-admin"],
            "sudo": "password",
            "expires": None,
        }
        found.append({**account, "shell": "/bin/bash", "password": True})
    return sorted(found, key=lambda account: str(account["name"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"accounts": accounts}
