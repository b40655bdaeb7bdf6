"""What of sudo's log is switched off, as cvtsudoers tells of the rules."""

from __future__ import annotations

from typing import Any

import pytest

from verify.test_sudo_rights import switched_off

OURS: list[dict[str, Any]] = [
    {"Options": [{"syslog": "authpriv"}]},
    {"Options": [{"logfile": "/var/log/sudo.log"}]},
    {"Options": [{"log_input": False}, {"log_output": False}]},
]


def judged(*others: dict[str, Any]) -> list[str]:
    return switched_off({"Defaults": [*OURS, *others]})


def test_ours_log_all() -> None:
    assert judged() == []
    assert judged({"Binding": [{"username": "bob"}], "Options": [{"logfile": "/var/log/sudo.log"}]}) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([{"logfile": False}, {"syslog": False}], ["in /var/log/sudo.log", "in the journal"]),
        ([{"logfile": "/dev/null"}], ["in /var/log/sudo.log, but in /dev/null"]),
        ([{"log_allowed": False}], ["when they are allowed"]),
        ([{"log_denied": False}], ["when they are refused"]),
        ([{"syslog_goodpri": "none"}], ["in the journal when they are allowed"]),
    ],
)
def test_each_way_to_switch_it_off(options: list[dict[str, Any]], said: list[str]) -> None:
    assert judged({"Options": options}) == [f"commands are not {one}" for one in said]
    bound = judged({"Binding": [{"usergroup": "holdfast-admin"}], "Options": options})
    assert sorted(bound) == sorted(f"those of a rule for holdfast-admin are not {one}" for one in said)


def test_the_last_one_for_all_counts() -> None:
    assert judged({"Options": [{"syslog": False}]}, {"Options": [{"syslog": True}]}) == []
    assert switched_off({"Defaults": [{"Options": [{"logfile": False}]}, *OURS]}) == []


def test_no_log_at_all() -> None:
    assert switched_off({}) == ["commands are not in /var/log/sudo.log"]
