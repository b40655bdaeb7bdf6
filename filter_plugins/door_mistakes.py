"""The `door_mistakes` filter: whether the next run's login would work, on paper."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def admits(cat: Any, sources: list[str], address: str) -> bool:
    """Tell whether `sources` (any, networks, hosts, groups) let `address` in. A link-local zone is left off."""
    if "any" in sources:
        return True
    here = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(here, ipaddress.IPv6Address) and here.ipv4_mapped:
        here = here.ipv4_mapped
    texts = list(sources)
    for source in sources:
        for name, host in cat["hosts"].items():
            if source in {"all", name, *host["groups"]}:
                texts += [host["address"], *(a for n in host["networks"] for a in n["addresses"])]
    for text in texts:
        try:
            if here in ipaddress.ip_network(text):
                return True
        except ValueError:  # a name
            continue
    return False


def door_mistakes(  # noqa: PLR0917 a filter's arguments are positional in Jinja
    cat: Any, host: str, operator: str, contact: Mapping[str, Any], today: str, sudo_known: str = "given"
) -> list[str]:
    """Return why the next run could not log in to `host` as `operator`, a text each. Empty when the door is proved.

    contact: {user, port, key_fingerprint, source_address} of the present connection. today: 'YYYY-MM-DD', UTC.
    sudo_known: what the run knows of the operator's sudo password: "none", "given", or "wrong" (not the declared one).
    """
    person = next((person for person in cat["people"] if person["name"] == operator), None)
    if person is None:
        return [f"{operator or 'nobody'} is not declared in people: say who you are with -e operator=NAME"]
    found: list[str] = []
    if person["until"] < str(today):
        found.append(f"{operator} ended on {person['until']}: another admin must run this")
    if not any(right["kind"] == "admin" and host in right["on"] for right in person["rights"]):
        found.append(f"{operator} has no admin right on {host}")
    if person["sudo"] is None:
        found.append(f"{operator} has no sudo: write sudo: password or nopasswd")
    elif person["sudo"] == "password" and sudo_known == "none":
        found.append(f"sudo asks {operator} for a password and this run has none: give it with --ask-become-pass (-K)")
    elif person["sudo"] == "password" and sudo_known == "wrong":
        found.append(f"the sudo password that was given is not the one of vault.password_hashes.{operator}: try again")
    accepted = contact.get("key_fingerprint")
    declared = [f"{key['name']} {key['fingerprint']}" for key in person["keys"]]
    if not accepted:
        found.append("nothing shows that the next login would be let in: this one used no known key")
    elif accepted not in {key["fingerprint"] for key in person["keys"]}:
        found.append(
            f"the key of this connection, {accepted}, is none of {operator}'s: {', '.join(declared) or 'there is none'}"
        )
    address, sources = contact.get("source_address"), cat["hosts"][host]["ssh"]["sources"]
    # A login over a jump host comes from there, whatever the person's own networks are.
    jump = cat["hosts"][host]["ssh"]["jump"]
    if address:
        if not admits(cat, [*person["from"], *([jump] if jump else [])], address):
            found.append(f"you come from {address}, and {operator}'s `from` admits {', '.join(person['from'])} only")
        if not admits(cat, sources, address):
            found.append(f"you come from {address}, and host.ssh.sources of {host} admits {', '.join(sources)} only")
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"door_mistakes": door_mistakes}
