"""What a host says of itself is its own word: nothing of it may run on the controller, or pass for a line of ours."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loading import load
from tests.unit.filters.support import FILTERS, ROOT, SCHEMA, TODAY, ed25519, good, wire
from tests.unit.filters.test_adoption import PORT, SSHD, account, drafted, extras, key, passed_on, survey

SURVEYOR = load(ROOT / "action_plugins/host_survey.py")
ONE_LINE = load(ROOT / "action_plugins/fresh_login.py").ActionModule.one_line
RUN = "{{ lookup('pipe', 'id') }}"
FORGED = "x\n    - forwarding\x1b[2J\r\u2028\udcff"


def judged(found: Any) -> dict[str, Any]:
    """Return a survey as the roles see it."""
    result: dict[str, Any] = SURVEYOR.judge(found, ONE_LINE)
    return {**result, "extras": SURVEYOR.judge_extras(found["extras"], ONE_LINE)}


def full() -> dict[str, Any]:
    """Return a survey with an entry of each kind."""
    return survey(
        listeners=[PORT, SSHD, {**PORT, "address": "*", "port": 9101, "proto": "udp", "program": "", "unit": ""}],
        published=[passed_on("tcp", 8080), passed_on("udp", 0, 1023)],
        keys=[
            key(ed25519(1), "root", "Ann B@laptop"),
            key(ed25519(2), "walter", "", 'command="x"'),
            key("ssh-rsa AAAAB3NzaC1yc2E=", "walter"),
        ],
        accounts=[account("root", "nopasswd"), account("walter"), account("J.Doe"), account("DOM\\ann")],
        networks=[
            {"interface": "eth0", "addresses": ["203.0.113.9", "2001:db8::9"], "default": True},
            {"interface": "br-0a.100", "addresses": ["10.0.0.9"], "default": False},
            {"interface": "wg+großnetz=1", "addresses": ["10.0.1.9"], "default": False},
        ],
        ssh_ports=[22, 2222],
        tunnels=["wg0"],
        extras=extras(
            packages=["g++", "libc6:i386"],
            held=["nginx"],
            units=["node.service", r"srv-a\x2db.mount", "x@1:y_z.timer"],
            setuid=[{"path": "/usr/bin/fping", "package": "fping"}, {"path": "/tmp/x y", "package": ""}],
        ),
    )


def placed(found: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return data with another value at a place."""
    data = deepcopy(found)
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return data


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in `value`, but not its own."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, item in inner for place in [(*path, name), *places(item, (*path, name))]]


def test_an_ordinary_survey_is_taken_as_it_is() -> None:
    found = full()
    assert judged({**found, "changed": False, "ansible_facts": {"x": RUN}, "invocation": {}}) == found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("networks", 1, "interface"), RUN),
        (("networks", 1, "interface"), "eth0123456789012"),
        (("networks", 1, "interface"), "eth0\x1b[2J"),
        (("networks", 1, "interface"), "eth{0}"),
        (("networks", 1, "addresses", 0), f"fe80::1%{RUN}"),
        (("networks", 1, "addresses", 0), 167772169),
        (("networks", 1, "default"), "yes"),
        (("ssh_ports", 0), RUN),
        (("ssh_ports", 0), True),
        (("ssh_ports", 0), 65536),
        (("ssh_ports",), []),
        (("listeners", 0, "port"), RUN),
        (("listeners", 0, "port"), 0),
        (("listeners", 0, "proto"), "sctp"),
        (("listeners", 0, "address"), RUN),
        (("listeners", 0, "program"), 7),
        (("published", 1, "last"), 70000),
        (("published", 0, "port"), 8081),
        (("keys", 0, "public"), f"{ed25519(1)} {RUN}"),
        (("keys", 0, "public"), f"{RUN} {ed25519(1).split()[1]}"),
        (("keys", 0, "public"), f"{ed25519(1)}\n"),
        (("keys", 0, "public"), ed25519(2)),
        (("keys", 0, "public"), "ssh-ed25519 AAAAA"),
        (("keys", 0, "type"), "ssh-rsa"),
        (("keys", 0, "fingerprint"), RUN),
        (("accounts", 0, "uid"), "0"),
        (("accounts", 0, "name"), ""),
        (("accounts", 0, "sudo"), RUN),
        (("accounts", 0), []),
        (("accounts",), {}),
        (("strangers",), ["x"] * 20_001),
        (("docker",), RUN),
        (("tunnels",), ["wg 0"]),
        (("extras", "packages", 0), RUN),
        (("extras", "held", 0), "g"),
        (("extras", "units", 0), RUN),
        (("extras", "units", 1), "a b.service"),
        (("extras", "setuid", 0, "package"), RUN),
        (("extras", "setuid", 0), "/usr/bin/fping"),
        (("extras", "searched"), "yes"),
    ],
)  # fmt: skip
def test_a_survey_that_is_none_is_refused_by_its_field(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(str(path[0]))) as refused:
        judged(placed(full(), path, value))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("found", [None, [], "x", {}, {name: full()[name] for name in full() if name != "docker"}])
def test_what_lacks_a_field_is_refused(found: Any) -> None:
    for judge in (SURVEYOR.judge, SURVEYOR.judge_extras):
        with pytest.raises(ValueError, match=r"is missing|keys with values"):
            judge(found, ONE_LINE)


def test_words_that_anybody_chooses_refuse_nothing() -> None:
    """Whoever has an account could keep the host from being managed; they are made printable in place of that."""
    found = full()
    for path in (("hostname",), ("listeners", 0, "program"), ("keys", 0, "comment"), ("keys", 1, "options")):
        found = placed(found, path, FORGED * 99)
    found = placed(placed(found, ("accounts", 1, "name"), RUN), ("strangers", 0), FORGED)
    seen = judged(found)
    assert json.dumps(seen, ensure_ascii=False).isprintable()
    assert not re.search(r"\\[nrtbfu]", json.dumps(seen, ensure_ascii=False)), "a control character"
    assert len(seen["keys"][0]["comment"]) == 1000
    assert seen["accounts"][1]["name"] == "???lookup??pipe????id?????"


REASONS = {f"# {why}" for why in FILTERS["draft_inventory"].__globals__["KEPT"].values()}
HOSTILE = st.one_of(
    st.sampled_from([RUN, FORGED, f"fe80::1%{RUN}", f"x {RUN}", "{% raw %}", "{#", "all", "%", "::1", "0"]),
    st.integers(-1, 70000), st.text(max_size=6), st.none(), st.booleans(),
    st.lists(st.sampled_from([RUN, "x"]), max_size=2), st.dictionaries(st.sampled_from([RUN, "x"]), st.text()),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_word_of_a_host_becomes_a_template_or_a_line(data: st.DataObject) -> None:
    """Whatever stands in any place: it is refused, or the draft and the lines that are to be pasted are harmless."""
    found = full()
    for _ in range(data.draw(st.integers(1, 3))):
        found = placed(found, data.draw(st.sampled_from(places(found))), data.draw(HOSTILE))
    try:
        seen = judged(found)
    except ValueError:
        return
    made = FILTERS["draft_inventory"]({"203.0.113.9": seen}, "margaret", TODAY)
    for text in made["files"].values():
        assert not re.search(r"\{[{%#]", text)
        assert yaml.safe_load(text)
        assert [line for line in text.splitlines() if line.startswith("#")] == [text.splitlines()[1]]
        assert {line.strip() for line in text.splitlines()[2:] if line.lstrip().startswith("#")} <= REASONS
    assert all(note.isprintable() for note in made["notes"])
    cat = FILTERS["catalogue"](good(), SCHEMA)
    for entry in FILTERS["adoption_refusals"](cat, "web1", seen, [], {"packages": ["x\n- y", RUN]}, contact_port=22):
        assert entry["what"].isprintable()
        assert entry["accept"].isprintable()
        assert "{" not in entry["accept"]


def test_a_purge_pastes_nothing() -> None:
    """The names of packages, units and files come from another module, which is the host's as well."""
    cat = FILTERS["catalogue"](good(), SCHEMA)
    for part, entry in {"packages": "package", "units": "unit", "setuid": "setuid"}.items():
        purged = {part: ["telnetd\n    - forwarding", RUN]}
        asked = FILTERS["adoption_refusals"](cat, "web1", survey(), [], purged, contact_port=22)
        assert [one["accept"].replace(",", "?") for one in asked] == [
            f"{entry} ???lookup??pipe????id?????",
            f"{entry} telnetd?????-?forwarding",
        ]


@pytest.mark.parametrize("text", [RUN, "{% if x %}", "{# x #}", "a\nb"])
def test_a_draft_holds_no_template_whatever_was_judged(text: str) -> None:
    """The net below the judgement."""
    card = {"interface": text, "addresses": ["10.0.0.9"], "default": False}
    with pytest.raises(AnsibleFilterError, match="nothing was drafted: it would have a template"):
        drafted(survey(networks=[card]))


def test_a_key_that_is_not_of_its_type_is_left_out() -> None:
    """sshd would refuse it; what it is called in front is for anybody to write."""
    other = f"ssh-ed25519 {wire(b'ssh-dss', bytes(32))}"
    files, notes = drafted(survey(keys=[key(other, "root", "eve@x"), key(ed25519(1), "root", "ann@x")]))
    people = files["group_vars/all/people.yml"]["people"]
    assert [person["name"] for person in people] == ["ann"]
    assert "too weak, or cut short" in notes[0]


def test_a_draft_calls_no_host_by_a_name_that_means_another() -> None:
    names = ["localhost.localdomain", "all", "host2", "web", "web", "web-6", "ungrouped", ""]
    found = {f"203.0.113.{number}": survey(hostname=name) for number, name in enumerate(names, 1)}
    made = FILTERS["draft_inventory"](found, "margaret", TODAY)
    hosts = yaml.safe_load(made["files"]["hosts.yml"])["all"]["hosts"]
    assert len(hosts) == len(names)
    assert not {"localhost", "all", "any", "ungrouped"} & set(hosts)
    for number in range(1, len(names) + 1):
        assert sum(f"203.0.113.{number}\n" in text for text in made["files"].values()) == 1
    assert "host1" in hosts


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "all", "ungrouped"])
def test_preflight_refuses_such_a_name(name: str) -> None:
    raw = good()
    raw["hosts"][name] = raw["hosts"]["web2"]
    found = [entry for entry in FILTERS["name_mistakes"](raw) if entry["entry"] == f"host {name}"]
    assert [(entry["key"], entry["level"]) for entry in found] == [("name", "mistake")]
