"""Only declared admins become root, in the way that was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target


def commands(rights: dict[str, Any]) -> list[str]:
    """What one account may run, for people."""
    return [f"{' '.join(entry['commands']) or '?'} as {entry.get('runasusers', 'root')}" for entry in rights["entries"]]


def test_rights_are_declared(target: Target) -> None:
    """sudo grants nothing to any account but the declared admins."""
    empty(
        [
            f"{one['name']} may run {', '.join(commands(one))}"
            for one in target.inside()["sudo"]
            if one["entries"] and one["name"] not in ("root", *target.expected.sudoers)
        ],
        "sudo rights that nobody declared",
    )


def test_admins_have_theirs(target: Target) -> None:
    """Every declared admin may become root, with a password unless declared otherwise."""
    rights = {one["name"]: one for one in target.inside()["sudo"]}
    free = {one["name"] for one in target.expected.valid if one.get("sudo") == "nopasswd"}
    problems = []
    for name in target.expected.sudoers:
        entries = rights.get(name, {}).get("entries", [])
        if not any("ALL" in entry["commands"] for entry in entries):
            problems.append(f"{name} cannot become root")
        if name not in free and any("!authenticate" in entry.get("options", "") for entry in entries):
            problems.append(f"{name} becomes root without a password, but that was not declared")
    empty(problems, "admins have other rights than declared")


def test_rules_name_only_known_people(target: Target) -> None:
    """No rule waits for an account or a group that does not belong to a declared admin."""
    facts = target.inside()
    code, out, err = facts["visudo"]
    assert code == 0, f"the sudo rules are not valid: {(out + err).strip()[-400:]}"
    policy = facts["sudoers"]
    assert policy is not None, "the sudo rules cannot be read by cvtsudoers"
    allowed = {"root", *target.expected.sudoers}
    aliases: dict[str, list[dict[str, Any]]] = policy.get("User_Aliases") or {}
    problems: list[str] = []
    for spec in policy.get("User_Specs") or []:
        users = [
            user
            for entry in spec.get("User_List") or []
            for user in (aliases.get(str(entry.get("useralias")), [entry]))
        ]
        for user in users:
            if user.get("negated"):
                continue
            name, group = user.get("username"), user.get("usergroup")
            if group is not None:
                strangers = sorted(set(facts["groups"].get(group, [])) - allowed)
                if strangers:
                    problems.append(f"group {group} has sudo rights and these members: {', '.join(strangers)}")
                elif not facts["groups"].get(group):
                    target.note(f"the sudo rules name the group {group}, which has no member")
            elif name not in allowed:
                problems.append(f"a rule is for {name or user}")
    empty(problems, "sudo rules for others than declared admins")
