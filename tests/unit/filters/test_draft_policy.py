"""What a draft keeps on a host by naming it in the policy, and what it leaves to the reader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.loading import load
from tests.unit.filters.support import FILTERS, ROOT, TODAY, ed25519
from tests.unit.filters.test_adoption import account, checked, drafted, extras, fingerprint, key, survey, unit

DEBIAN = yaml.safe_load((ROOT / "playbooks/group_vars/all/debian.yml").read_text())["holdfast_debian"]
ANN = key(ed25519(1), "root", "ann@laptop")
NOLOGIN = "/usr/sbin/nologin"


def policy(found: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the drafted policy, which preflight takes, and the notes but for the one that counts."""
    files, notes = drafted({**found, "keys": [ANN, *found["keys"]]})
    checked(files)
    return files["group_vars/all/policy.yml"]["policy"], [note for note in notes if not note.startswith("policy.yml")]


def asked(found: dict[str, Any]) -> list[str]:
    """Return what a first run with the draft asks about."""
    files, _notes = drafted(found)
    cat = checked(files)
    rules = FILTERS["firewall_rules"](cat, "old")
    return [entry["accept"] for entry in FILTERS["adoption_refusals"](cat, "old", found, rules, contact_port=22)]


def test_a_host_without_extras_has_a_policy_without_them() -> None:
    assert policy(survey()) == ({"access": {"verifiers": ["margaret"]}}, [])


def test_what_is_beyond_debian_is_kept_by_name() -> None:
    found = survey(
        accounts=[account("root", "nopasswd"), account("app", shell=NOLOGIN)],
        extras=extras(
            packages=["zabbix-agent", "g++", "libc6:i386"],
            held=["nginx:amd64"],
            units=["zabbix-agent.service", r"srv-a\x2db.mount", "_odd.service"],
            setuid=[{"path": "/usr/bin/fping", "package": "fping"}],
        ),
    )
    drawn, notes = policy(found)
    assert drawn == {
        "access": {"verifiers": ["margaret"], "keep_accounts": ["app"]},
        "base": {
            "packages": ["g++", "libc6", "zabbix-agent"],
            "units": ["srv-a*x2db.mount", "zabbix-agent.service"],
            "setuid": ["/usr/bin/fping"],
        },
        "updates": {"held": ["nginx"]},
    }
    assert notes == ["old: start at boot, with names that policy.base.units does not take: _odd.service"]
    made = FILTERS["draft_inventory"]({"203.0.113.9": found}, "margaret", TODAY)
    assert made["files"]["group_vars/all/policy.yml"].count("Left out, ") == 5, "each list says why it stands there"
    assert made["notes"][-1].startswith(
        "policy.yml keeps what is there beyond Debian's own (keep_accounts 1, packages 3"
    )


def test_a_policy_of_several_hosts_says_which_of_them_has_it() -> None:
    both = ["nginx", "zabbix-agent"]
    found = {
        "203.0.113.9": survey(hostname="old", extras=extras(packages=both)),
        "203.0.113.10": survey(hostname="new", extras=extras(packages=[*both, "fping"])),
    }
    text = FILTERS["draft_inventory"](found, "margaret", TODAY)["files"]["group_vars/all/policy.yml"]
    assert text.splitlines()[-3:] == ["      - fping  # on new", "      - nginx", "      - zabbix-agent"]


@pytest.mark.parametrize("name", ["no", "on", "y", "null"])
def test_a_name_that_yaml_would_read_as_something_else_stays_a_name(name: str) -> None:
    files = FILTERS["draft_inventory"]({"203.0.113.9": survey(extras=extras(packages=[name * 2, name]))}, name, TODAY)
    drawn = yaml.safe_load(files["files"]["group_vars/all/policy.yml"])["policy"]
    assert drawn == {"access": {"verifiers": [name]}, "base": {"packages": sorted([name, name * 2])}}


@pytest.mark.parametrize(
    ("found", "changes", "keeps", "note"),
    [
        (account("app", shell=NOLOGIN), {}, True, ""),
        (account("app", shell=NOLOGIN), {"password": True}, True, ""),
        (account("jenkins"), {}, True, ""),
        (account("eve"), {"password": True}, False, "the account eve has a password"),
        (account("eve", "password"), {}, False, "the account eve has sudo"),
        (account("eve", "nopasswd", shell=NOLOGIN), {"password": True}, False, "has sudo and a password"),
        (account("J.Doe", shell=NOLOGIN), {}, False, "has a name that policy.access.keep_accounts does not take"),
    ],
)
def test_an_account_is_kept_where_nobody_enters_as_it(
    found: dict[str, Any], changes: dict[str, Any], *, keeps: bool, note: str
) -> None:
    """Whatever somebody could enter as is declared, or asked about: a draft accepts nothing for its reader."""
    one = {**found, **changes}
    seen = survey(accounts=[account("root", "nopasswd"), one], keys=[ANN])
    assert asked(seen) == ([] if keeps else [f"account {one['name']}"])
    drawn, notes = policy(seen)
    assert drawn["access"].get("keep_accounts", []) == ([one["name"]] if keeps else [])
    assert len(notes) == bool(note)
    assert note in "".join(notes)


def test_a_key_that_is_left_out_keeps_its_account_from_being_kept() -> None:
    """But where the account has no shell: nobody enters over SSH as it afterwards, and the key is asked about."""
    keys = [ANN, key(ed25519(2), "eve", "", "no-pty"), key(ed25519(3), "app")]
    accounts = [account("root", "nopasswd"), account("eve"), account("app", shell=NOLOGIN)]
    wanted = ["account eve", *sorted(f"key {fingerprint(ed25519(number).split()[1])}" for number in (2, 3))]
    assert asked(survey(accounts=accounts, keys=keys)) == wanted


def test_a_program_that_no_package_brings_set_uid_is_named_and_not_drafted() -> None:
    """A shell that somebody gave the bit would pass for wanted."""
    programs = [
        {"path": "/usr/bin/find", "package": ""},
        {"path": "/opt/a b", "package": "odd"},
        {"path": "/opt/*", "package": "odd"},
        {"path": "/opt/{{ x }}", "package": "odd"},
        *({"path": f"/tmp/{number:02}", "package": ""} for number in range(10)),
    ]
    drawn, notes = policy(survey(extras=extras(setuid=programs, searched=False)))
    assert "base" not in drawn
    assert "brings them so: /usr/bin/find, /opt/a b, " in notes[0]
    assert " and 4 more. Find out who has set that" in notes[0]
    assert "could not be searched" in notes[1]


def test_no_drafted_service_shares_its_name_with_an_account_that_is_there() -> None:
    """It would be held to what the service declares, which is no connection: a run would ask about that."""
    found = survey(
        listeners=[unit("postfix.service", 25), unit("postfix.service", 465), unit("app.service", 8080), unit("x", 9)],
        accounts=[account("root", "nopasswd"), account("app", shell=NOLOGIN)],
        keys=[ANN],
        strangers=["root", "postfix", "app", "x", "x-ports"],
    )
    files, _notes = drafted(found)
    services = {entry["name"]: entry["listen"] for entry in files["group_vars/all/services.yml"]["services"]}
    assert services == {
        "app-ports": [{"port": 8080}],
        "port-9": [{"port": 9}],
        "postfix-ports": [{"port": 25}, {"port": 465}],
    }
    assert asked(found) == []


@pytest.mark.parametrize(("docker", "tunnels"), [(False, []), (True, []), (False, ["wg0"]), (True, ["wg0"])])
def test_what_is_allowed_is_what_the_draft_then_allows(docker: bool, tunnels: list[str]) -> None:
    """By two rules, of the survey and of the draft, that have to stay one."""
    found = survey(docker=docker, tunnels=tunnels)
    cat = checked(drafted({**found, "keys": [ANN]})[0])
    allowed_on = load(ROOT / "action_plugins/host_survey.py").allowed_on
    mine = {part: sorted(patterns) for part, patterns in allowed_on(found, DEBIAN).items()}
    assert mine == FILTERS["allowed"](cat, "old", DEBIAN, [])
