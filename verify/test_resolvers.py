"""The host asks the resolvers that were declared for names, and they answer."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verify.target import Target

STUBS: Final = {"127.0.0.53", "127.0.0.54"}
"""Where systemd-resolved takes questions."""
ALL_NAMES: Final = "~."


def plain(resolvers: Iterable[str]) -> list[str]:
    """Return addresses in the one way to write each; what is none stays as it is."""
    found = []
    for text in resolvers:
        bare = text.partition("#")[0]  # systemd-resolved adds the name that it was given for the certificate
        try:
            found.append(str(ipaddress.ip_address(bare)))
        except ValueError:
            found.append(bare)
    return found


def declared(target: Target) -> list[str]:
    """Resolvers that the policy names; without any the check does not apply."""
    if not target.expected.resolvers:
        not_applicable("policy.base.resolvers names none: the host asks those that its provider set")
    return plain(target.expected.resolvers)


def through_resolved(said: dict[str, Any], wanted: list[str]) -> list[str]:
    """Return what systemd-resolved asks beside those that are wanted."""
    servers, domains, found = said["servers"], said["domains"], []
    asked = plain(servers.get("Global", []))
    if sorted(asked) != sorted(wanted):
        found.append(f"systemd-resolved asks {', '.join(asked) or 'nobody'} instead of {', '.join(wanted)}")
    if ALL_NAMES not in domains.get("Global", []):
        found.append("systemd-resolved does not ask them for all names: Domains=~. is missing")
    for link, own in servers.items():
        other = [one for one in plain(own) if one not in wanted]
        if link != "Global" and other and ALL_NAMES in domains.get(link, []):
            found.append(f"systemd-resolved asks {', '.join(other)} too: {link} brings them for all names")
    return found


def test_declared_are_asked(target: Target) -> None:
    """What the host asks for names is what the policy names, in force now."""
    wanted, said = declared(target), target.inside()["resolvers"]
    listed, found = plain(said["listed"]), []
    stub = bool(listed) and set(listed) <= STUBS
    if not stub and listed != wanted:
        found.append(f"{said['file']} names {', '.join(listed) or 'nobody'} instead of {', '.join(wanted)}")
    if stub and not said["resolved"]:
        found.append("systemd-resolved is to be asked, and does not run")
    if said["resolved"] and (stub or said["nss_resolved"]):
        found += through_resolved(said["resolved"], wanted)
    empty(found, "other resolvers are asked than the declared ones")


def test_they_answer(target: Target) -> None:
    """Each of them looks up a name for the host."""
    declared(target)
    tried = target.inside()["resolvers"]["tried"]
    empty([f"{one}: {wrong}" for one, wrong in tried.items() if wrong], "a declared resolver looks up no name")
