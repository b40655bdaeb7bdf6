"""The `adoption_refusals` filter: what a first run would take away without anybody having said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def lost_keys(cat: Any, survey: Mapping[str, Any]) -> dict[str, list[Mapping[str, str]]]:
    """Return the found keys, by fingerprint, that would open nothing any more, or no longer the account of the system.

    Nobody enters as such an account again, so that its key is lost also where its holder is declared.
    """
    known = {key["fingerprint"] for person in cat["people"] for key in person["keys"]}
    people = {account["name"] for account in survey["accounts"]}
    lost: dict[str, list[Mapping[str, str]]] = {}
    for key in survey["keys"]:
        if key["fingerprint"] not in known or key["account"] not in people:
            lost.setdefault(key["fingerprint"], []).append(key)
    return lost


def adoption_refusals(
    cat: Any,
    host: str,
    survey: Mapping[str, Any],
    rules: Sequence[Mapping[str, Any]],
    purged: Sequence[str] = (),
) -> list[dict[str, str]]:
    """Return what the first run on `host` would take away and `host.accept` does not list: [{what, accept}], sorted.

    survey: result of the module host_survey. rules: result of firewall_rules for the host. purged: packages that it
    would purge, as the module purge_packages tells.
    accept: the entry that makes the run go on. People who are declared, ended ones too, need none: the inventory
    already says what becomes of them.
    """
    declared = cat["hosts"][host]
    found: dict[str, str] = {}
    opened = {(rule["proto"], rule["port"]) for rule in rules} | {("tcp", declared["ssh"]["port"])}
    for listener in survey["listeners"]:
        port = (listener["proto"], listener["port"])
        if port in opened:  # sshd's is not among them: a port change is the guard's, it opens both first
            continue
        by = (
            f"{listener['program'] or 'a program of the kernel'}{' as ' + listener['user'] if listener['user'] else ''}"
        )
        name = f"{port[1]}/{port[0]}"
        found.setdefault(f"port {name}", f"would close {name}, on which {by} listens")
    for fingerprint, keys in lost_keys(cat, survey).items():
        owners = "'s and ".join(dict.fromkeys(key["account"] for key in keys))
        comment = f" ({keys[0]['comment']})" if keys[0]["comment"] else ""
        found[f"key {fingerprint}"] = f"would no longer let in {owners}'s key {fingerprint}{comment}"
    kept = {person["name"] for person in cat["people"]} | set(cat["policy"]["access"]["keep_accounts"])
    kept |= {declared["ssh"]["first_user"], declared["console"], "root"}
    for account in survey["accounts"]:
        if account["name"] not in kept:
            found.setdefault(
                f"account {account['name']}", f"would close the account {account['name']} and end its sessions"
            )
    for package in purged:
        found[f"package {package}"] = f"would purge {package}, which is not allowed by policy.base.packages"
    accepted = set(declared["accept"])
    return [{"what": found[entry], "accept": entry} for entry in sorted(found) if entry not in accepted]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"adoption_refusals": adoption_refusals}
