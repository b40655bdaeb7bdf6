"""Reading what sshd says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from verify.target import Target

Options = dict[str, list[str]]

KEY_ONLY: Final[dict[str, str]] = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "hostbasedauthentication": "no",
    "gssapiauthentication": "no",
    "kerberosauthentication": "no",
    "permitemptypasswords": "no",
    "pubkeyauthentication": "yes",
    "ignorerhosts": "yes",
}


def value(options: Options, key: str) -> str:
    """One option's value; empty when sshd does not know it."""
    return options.get(key, [""])[0]


def where(answer: dict[str, Any]) -> str:
    """Which connection an answer is about, for people."""
    spec = answer["connection"]
    return f"{spec['user']} from {spec['addr']} to port {spec['lport']}"


def answers(target: Target) -> list[dict[str, Any]]:
    """What sshd would do with each connection that could be special; not to know it of one of them is an error.

    Raises:
        AssertionError: sshd rejects its configuration, or there were too many connections to ask about.
    """
    found: list[dict[str, Any]] = target.inside()["sshd"]
    left_out: int = target.inside()["sshd_left_out"]
    broken = [one for one in found if one["rc"] != 0]
    assert not broken, f"sshd rejects its own configuration: {broken[0]['error'][:400]}"
    assert found, "sshd was not asked about anybody"
    assert not left_out, (
        f"sshd was asked about {len(found)} connections of {len(found) + left_out}, and what it does with the others "
        "is not known: each account counts once for each Match block that could mean it; take blocks that nobody needs "
        "out of its configuration, and accounts that nobody needs off the host"
    )
    return found


def admitted(options: Options, name: str, groups: dict[str, list[str]]) -> bool:
    """Whether AllowGroups and DenyUsers let an account try at all; no AllowGroups admits everybody."""
    allowed = [word for line in options.get("allowgroups", []) for word in line.split()]
    users = [word for line in options.get("allowusers", []) for word in line.split()]
    denied = [word for line in options.get("denyusers", []) for word in line.split()]
    if name in denied or (users and name not in users):
        return False
    return not allowed or any(name in groups.get(group, []) for group in allowed)
