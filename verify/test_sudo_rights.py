"""Only declared admins become root, in the way that was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

LOG: Final = "/var/log/sudo.log"
LEFT_OUT: Final = {
    "syslog": "in the journal",
    "log_allowed": "when they are allowed",
    "log_denied": "when they are refused",
}
PRIORITIES: Final = {"syslog_goodpri": "allowed", "syslog_badpri": "refused"}


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


def unlogged(option: str, value: Any) -> str:
    """What is not noted with this value of an option of sudo; empty where that is nothing."""
    if option == "logfile" and value != LOG:
        return f"in {LOG}" + (f", but in {value}" if value else "")
    if option in LEFT_OUT and value is False:
        return LEFT_OUT[option]
    if option in PRIORITIES and value in ("none", False):
        return f"in the journal when they are {PRIORITIES[option]}"
    return ""


def switched_off(policy: dict[str, Any]) -> list[str]:
    """What of sudo's log the rules switch off, for all or for some; of settings for all the last one counts."""
    for_all: dict[str, Any] = {"logfile": False}
    problems = []
    for defaults in policy.get("Defaults") or []:
        whom = [str(value) for one in defaults.get("Binding") or [] for value in one.values()]
        for option, value in [pair for one in defaults.get("Options") or [] for pair in one.items()]:
            if not whom:
                for_all[option] = value
            elif gap := unlogged(option, value):
                problems.append(f"those of a rule for {', '.join(whom)} are not {gap}")
    return [f"commands are not {gap}" for gap in map(unlogged, for_all, for_all.values()) if gap] + problems


def test_commands_are_logged(target: Target) -> None:
    """What anybody runs through sudo is in the journal and in a log of its own."""
    policy = target.inside()["sudoers"]
    assert policy is not None, "the sudo rules cannot be read by cvtsudoers"
    empty(switched_off(policy), "a file in /etc/sudoers.d, or /etc/sudoers, switches the log of sudo off")
