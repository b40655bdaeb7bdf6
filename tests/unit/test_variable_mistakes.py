"""What the lookup `variable_mistakes` says of one value; tests/unit/test_preflight_run.py sees it in a run."""

from __future__ import annotations

from typing import Any

import pytest

from lookup_plugins.variable_mistakes import belongs, judged

PORT = {"type": "int", "required": True}
RULES = {
    "type": "list",
    "elements": "dict",
    "options": {"port": PORT, "to": {"type": "dict", "options": {"port": PORT}}},
}


@pytest.mark.parametrize(
    ("value", "spec", "expected"),
    [
        ("5", {"type": "int"}, []),
        ("five", {"type": "int"}, [("x", "five", "write a whole number")]),
        (None, {"type": "int", "default": 3}, [("x", "nothing", "write a whole number")]),
        ("maybe", {"type": "bool"}, [("x", "maybe", "write true or false")]),
        ({}, {"type": "list", "elements": "str"}, [("x", "keys with values", "write a list, each of them a text")]),
        (["a"], {"type": "list", "elements": "int"}, [("x", "a list", "write a list, each of them a whole number")]),
        ("sid", {"choices": ["trixie", "bookworm"]}, [("x", "sid", "use one of: trixie, bookworm")]),
        ([7], RULES, [("x", "a list", "write a list, each of them keys with values")]),
        ([{"port": 1, "to": {"port": 2}}], RULES, []),
        (
            [{"port": 1}, {"prot": 2, "to": {"port": "a"}}],
            RULES,
            [
                ("x[2].prot", "an unknown key", "did you mean port? known here: port, to"),
                ("x[2].to.port", "a", "write a whole number"),
                ("x[2].port", "nothing", "add it"),
            ],
        ),
        ([{"port": 1, "to": None}], RULES, []),
    ],
)
def test_a_value_is_judged_by_its_spec(value: Any, spec: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert list(judged("x", value, spec)) == expected


@pytest.mark.parametrize(
    ("key", "spec"),
    [
        ("x", {"type": "int", "no_log": True}),
        ("x_password", {"type": "int"}),
        ("x", {"choices": ["hunter"], "no_log": True}),
    ],
)
def test_a_secret_is_not_shown(key: str, spec: dict[str, Any]) -> None:
    (found,) = judged(key, "hunter2", spec)
    assert found[1] == "(not shown)"
    assert "did you mean" not in found[2]


def test_a_private_key_is_not_shown() -> None:
    ((_, value, _),) = judged("x", "-----BEGIN OPENSSH PRIVATE KEY-----", {"type": "int"})
    assert value.startswith("(a private key, not shown")


def test_a_secret_within_is_not_shown() -> None:
    inner = {"type": "dict", "no_log": True, "options": {"length": {"type": "int"}}}
    assert [found[1] for found in judged("x", {"length": "hunter2"}, inner)] == ["(not shown)"]


def test_internals_and_other_roles_do_not_belong() -> None:
    names = ["ssh_port", "ssh__seen", "sshd_port", "ssh"]
    assert [name for name in names if belongs(name, "ssh")] == ["ssh_port"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("rest:https://me:hunter2@backup.example.net/x", "a text"), ({"alice": "hunter2"}, "keys with values")],
)
def test_what_may_hold_a_secret_is_not_shown(value: Any, kind: str) -> None:
    spec = {"type": "dict"} if isinstance(value, str) else {"type": "list", "elements": "dict"}
    assert [found[1] for found in judged("backup_repository", value, spec)] == [kind]
