"""A host in other hands answers the guard's orders: nothing of it is taken for the controller's own word."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fake_host import FakeHost
from tests.loading import load

ROOT = Path(__file__).parents[3]
COMMIT, LOGIN = (load(ROOT / "action_plugins" / f"{name}.py") for name in ("guard_commit", "fresh_login"))
REFUSED = "is no answer of holdfast's program, and cannot be trusted"
TASKS: dict[str, dict[str, Any]] = {
    "commit": {"guard_commit": {"login": {"user": "oper", "port": 22}, "present_user": "root"}},
    "apply": {"fileset": {"concern": "base", "files": [{"path": "/etc/a", "content": "x"}]}},
    "people": {"accounts": {"present_user": "root"}},
    "prepare": {"ssh_material": {}},
}
QUIET: dict[str, dict[str, Any]] = {
    "commit": {"changed": False, "closed": [], "refused": []},
    "apply": {"changed": False, "absent": [], "intact": {"base": {"digest": "0f", "absent": []}}},
    "people": {"changed": False, "undeclared": [], "foreign_sudo": [], "did": []},
    "prepare": {
        "changed": False,
        **{key: [] for key in ("keys", "offered", "live", "files", "foreign", "plan")},
        "moduli": {"path": "/etc/ssh/holdfast.moduli", "staged": None, "kept": 1, "dropped": 0},
    },
}
TOLD = {"ansible.builtin.debug": {"msg": "told: {{ heard | to_json }}"}}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def heard(host: FakeHost, verb: str, *arguments: str) -> str:
    return host.play({**TASKS[verb], "register": "heard"}, TOLD, arguments=arguments)


@pytest.mark.parametrize("verb", TASKS)
def test_an_answer_names_no_other_host(host: FakeHost, tmp_path: Path, verb: str) -> None:
    """Ansible takes `add_host` out of what a module returns, and not out of what an action plugin does."""
    ran = tmp_path / "ran"
    proxy = {"ansible_ssh_extra_args": f"-o ProxyCommand='touch {ran}'", "ansible_ssh_executable": "/usr/bin/ssh"}
    host.answers({**QUIET[verb], "add_host": {"host_name": "db1", "groups": [], "host_vars": proxy}})
    text = host.play(
        {**TASKS[verb], "when": "inventory_hostname == 'web1'"},
        {
            "ansible.builtin.debug": {
                "msg": "db1 now has {{ hostvars.db1.ansible_ssh_extra_args | default('nothing') }}"
            }
        },
        hosts="web1,db1",
    )
    assert REFUSED in text, text
    assert "db1 now has nothing" in text
    assert not ran.exists()


@pytest.mark.parametrize("check", [(), ("--check",)])
@pytest.mark.parametrize("verb", TASKS)
def test_the_program_s_own_answers_are_taken(host: FakeHost, verb: str, check: tuple[str, ...]) -> None:
    host.answers(QUIET[verb])
    text = heard(host, verb, *check)
    assert "told: " in text, text
    host.answers({"failed": True, "msg": "nothing was changed: first\nsecond", "changed": True, "did": ["bring it up"]})
    text = heard(host, verb)
    assert "web1: bring it up" in text
    assert "nothing was changed: first\nsecond" in text


@pytest.mark.parametrize(
    "answer",
    [
        {"ansible_facts": {"guard_staged": {}}},
        {"_ansible_no_log": True},
        {"warnings": ["said by the controller"]},
        {"exception": "x"},
        {"unreachable": True},
        {"changed": "yes"},
        {"changed": 1},
        {"did": "x"},
        {"did": [1]},
        {"did": [["x"]]},
        {"closed": {"a": "b"}},
        {"diff": [{"before": "x", "after": "y"}]},
        {"diff": [{"before_header": "a", "after_header": "a", "before": "x", "after": "y", "src_binary": 9}]},
        {"armed": None},
        {"failed": False},
        {"failed": 1, "msg": "x"},
        {"failed": True, "msg": ["x"]},
        {"failed": True},
    ],
)
def test_each_odd_part_makes_the_whole_answer_odd(answer: dict[str, Any]) -> None:
    found = {**QUIET["commit"], **answer} if answer.get("failed") is not True else answer
    shape = COMMIT.REFUSAL if "failed" in found else COMMIT.ANSWERS["commit"]
    with pytest.raises(ValueError, match=r"unknown|in the place"):
        COMMIT.judged(found, shape, LOGIN.printable)


@pytest.mark.parametrize("missing", QUIET["commit"])
def test_an_answer_says_all_that_is_waited_for(missing: str) -> None:
    found = {key: value for key, value in QUIET["commit"].items() if key != missing}
    with pytest.raises(ValueError, match="missing"):
        COMMIT.judged(found, COMMIT.ANSWERS["commit"], LOGIN.printable)


LONG = json.dumps({**QUIET["commit"], "closed": ["x" * COMMIT.LONGEST_ANSWER]})


@pytest.mark.parametrize(
    "printed",
    ["", "[]", "null", "{", "[" * 100_000, '{"changed": ' + "9" * 5000 + "}", LONG],
    ids=["nothing", "list", "null", "cut", "deep", "number", "long"],
)
def test_what_cannot_be_read_is_no_answer(host: FakeHost, printed: str) -> None:
    host.prints(f"holdfast-answer:{printed}")
    text = heard(host, "commit")
    assert REFUSED in text, text[:3000]
    assert "Traceback" not in text
    assert "told: " not in text


ESCAPES = "\x1b]0;title\x07\x1b[2J\u009b2K\u202e\ud800"


def test_a_host_s_words_move_no_cursor(host: FakeHost) -> None:
    """Neither in what is shown at once, nor in what later tasks make of the result."""
    odd = f"open{ESCAPES}\n  db1: forged"
    texts = {"before_header": odd, "after_header": odd, "before": f"a\tb{ESCAPES}\n", "after": "c\n"}
    answer = {**QUIET["commit"], "changed": True, "did": [odd], "refused": [odd], "diff": [texts]}
    found = COMMIT.judged(answer, COMMIT.ANSWERS["commit"], LOGIN.printable)
    assert found["did"] == found["refused"] == ["open ]0;title  [2J 2K     db1: forged"]
    assert found["diff"][0]["before"] == "a\tb ]0;title  [2J 2K  \n"
    host.answers(answer)
    text = heard(host, "commit", "--diff")
    assert "\n  web1: open ]0;title  [2J 2K     db1: forged\n" in text, text
    assert all(char.isprintable() or char in "\n\t" for char in text)


def test_nor_do_those_of_one_that_gives_no_answer(host: FakeHost) -> None:
    host.prints("a \x1b]0;title\x07 b\nc")
    text = host.play({**TASKS["people"], "register": "heard", "ignore_errors": True}, TOLD)
    assert "the host gave no answer (exit code 0): a  ]0;title  b\nc" in text
    assert "b\\nc" in text.partition("told: ")[2], text
    assert "u001b" not in text


def test_nor_do_those_that_ansible_shows_by_itself(host: FakeHost) -> None:
    """An error's text, in which the host's words are, is shown as it is."""
    text = host.play({"ansible.builtin.fail": {"msg": "\x1b]0;title\x07gone \x1b[8m"}})
    assert "Action failed:  ]0;title gone  [8m" in text, text
    assert "\x1b" not in text


def test_a_host_that_answers_for_ever_holds_nobody_up(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "ansible.cfg")
    assert 0 < int(config["defaults"]["task_timeout"]) <= 3600
    host.ssh.write_text(
        "#!/bin/sh\ncat > /dev/null\ncase $* in *db1*) exit 1;; esac\nwhile :; do echo x; sleep 0.2; done\n"
    )
    monkeypatch.setenv("ANSIBLE_TASK_TIMEOUT", "3")
    text = host.play(TASKS["commit"], {"ansible.builtin.debug": {"msg": "went on"}}, hosts="web1,db1")
    assert "Timed out after 3 second(s)" in text, text
    assert "the host gave no answer (exit code 1)" in text
