"""Checks that no script on a container can break: green for a host as it should be, red for each way to differ.

What the host says of itself is given to them here as verify/remote would say it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.hosts.breakers import UNBROKEN
from verify import test_clock, test_host_identity, test_kernel, test_mounts, test_right_people
from verify.expected import KERNEL, Catalogue, Expected
from verify.outcome import NotApplicable
from verify.outside import Outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RULES = "\n".join(f"-w /etc/{key} -p wa -k {key}" for key in test_kernel.AUDITED)
FACTS: dict[str, Any] = {
    "units": {"systemd-timesyncd.service": {"ActiveState": "active", "UnitFileState": "enabled"}},
    "ground": {
        "container": False,
        "clock_synchronized": True,
        "kernel_read_only": False,
        "kernel": {
            key: {key.replace(".", "/").replace("*", card): value for card in ("all", "default")}
            for key, value in KERNEL.items()
        },
        "apparmor": ["Y", "/usr/bin/man (enforce)", "enabled"],
        "audit": ["enabled 1\nfailure 1\n", RULES],
        "mounts": {"/tmp": ["rw", "nosuid", "nodev"], "/dev/shm": ["rw", "nosuid", "nodev", "noexec"]},
    },
    "user": "oper",
    "uid": "0",
}


@dataclass(frozen=True)
class Case:
    """A check, and the ways to make it red: where in the facts, which value, and words of what it says then."""

    check: Callable[[Any], None]
    ways: list[tuple[str, Any, str]]
    for_containers: dict[str, Any] = field(default_factory=dict)


CASES = {
    ("clock", "clock_is_synchronised"): Case(
        test_clock.test_clock_is_synchronised,
        [("ground.clock_synchronized", False, "has not reached a time server"), ("units", {}, "no time service runs")],
        {"container": True},
    ),
    ("kernel", "settings_now"): Case(
        test_kernel.test_settings_now,
        [
            (
                "ground.kernel.kernel/dmesg_restrict",
                {"kernel/dmesg_restrict": "0"},
                "kernel.dmesg_restrict is 0, not 1",
            ),
            ("ground.kernel.net/ipv4/conf/*/rp_filter", {"net/ipv4/conf/eth0/rp_filter": "0"}, "eth0.rp_filter is 0"),
        ],
        {"kernel_read_only": True},
    ),
    ("kernel", "apparmor"): Case(
        test_kernel.test_apparmor,
        [
            ("ground.apparmor", ["N", "x (enforce)", "enabled"], "the kernel runs without AppArmor"),
            ("ground.apparmor", ["Y", "", "enabled"], "no profile is loaded"),
            ("ground.apparmor", ["Y", "x (enforce)", "disabled"], "apparmor.service is disabled"),
        ],
        {"container": True},
    ),
    ("kernel", "audit"): Case(
        test_kernel.test_audit,
        [
            ("ground.audit", ["enabled 0\n", RULES], "the kernel does not audit"),
            ("ground.audit", ["enabled 1\n", "No rules\n"], "nothing is noted under logins"),
            ("ground.audit", ["enabled 2\n", RULES.replace("-k sudo", "")], "nothing is noted under sudo"),
        ],
        {"container": True},
    ),
    ("mounts", "options_now"): Case(
        test_mounts.test_options_now,
        [
            ("ground.mounts./tmp", ["rw"], "/tmp is mounted without nodev, nosuid"),
            ("ground.mounts./dev/shm", ["rw", "nosuid", "nodev"], "/dev/shm is mounted without noexec"),
        ],
        {"container": True},
    ),
    ("right_people", "operator_enters_and_is_root"): Case(
        test_right_people.test_operator_enters_and_is_root,
        [
            ("user", "bob", "bob's, who is no declared admin"),
            ("user", "alice", "the login that works is alice's, not oper's"),
            ("uid", "1000", ""),
        ],
    ),
}
WAYS = [(name, *way) for name, case in CASES.items() for way in case.ways]


def changed(place: str, value: Any) -> dict[str, Any]:
    """The facts of a healthy host, but for one place in them; a dot leads inwards, a slash is one of the name."""
    facts = copy.deepcopy(FACTS)
    *way, last = place.split(".")
    inner = facts
    for word in way:
        inner = inner[word]
    name = last.replace("/", ".") if way[-1:] == ["kernel"] else last
    assert not way or name in inner, f"{place} is nowhere"
    inner[name] = value
    return facts


def target(facts: dict[str, Any]) -> Any:
    """A host that says this of itself."""
    return SimpleNamespace(
        name="h",
        expected=SimpleNamespace(kernel=KERNEL, operator="oper", admins=["alice", "oper"]),
        inside=lambda: facts,
        outside=SimpleNamespace(ssh={"user": facts["user"]}),
        host=SimpleNamespace(check_output=lambda _: facts["uid"]),
    )


@pytest.mark.parametrize("name", CASES)
def test_it_is_green_as_it_should_be(name: tuple[str, str]) -> None:
    CASES[name].check(target(FACTS))


@pytest.mark.parametrize(("name", "place", "value", "says"), WAYS)
def test_it_is_red_for_what_differs(name: tuple[str, str], place: str, value: Any, says: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)) as caught:
        CASES[name].check(target(changed(place, value)))
    assert not isinstance(caught.value, NotApplicable)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.for_containers])
def test_it_does_not_apply_to_a_container(name: tuple[str, str]) -> None:
    facts = {**FACTS, "ground": {**FACTS["ground"], **CASES[name].for_containers}}
    with pytest.raises(NotApplicable):
        CASES[name].check(target(facts))


PINNED = "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJhTL4mJRHJPeREDaEqOnyPSzYs6pqCsuwZJOBzGrRpb\n"


@pytest.mark.parametrize(
    ("checking", "pins", "says"),
    [
        ("yes", PINNED, ""),
        ("no", PINNED, "StrictHostKeyChecking is false for h"),
        ("accept-new", PINNED, "StrictHostKeyChecking is accept-new for h"),
        ("yes", PINNED.replace("h ", "other "), "no host key of h is pinned"),
        ("yes", "", "no host key of h is pinned"),
    ],
)
def test_whether_this_controller_knows_the_host(tmp_path: Path, checking: str, pins: str, says: str) -> None:
    """By the word of ssh itself about the configuration that runs leave."""
    (tmp_path / "pins").write_text(pins)
    (tmp_path / "ssh_config").write_text(
        f"Host h\n  StrictHostKeyChecking {checking}\n  UserKnownHostsFile {tmp_path}/pins\n"
    )
    expected = Expected(Catalogue({"hosts": {"h": {}}, "people": [], "services": [], "policy": {}}, "", ""), "h")
    host: Any = SimpleNamespace(name="h", outside=Outside(expected, "", str(tmp_path / "ssh_config"), None))
    if not says:
        test_host_identity.test_checking_is_on(host)
        return
    with pytest.raises(AssertionError, match=says):
        test_host_identity.test_checking_is_on(host)


def test_each_of_them_is_here() -> None:
    elsewhere = {("host_identity", "checking_is_on"), ("brute_force", "key_exchange_is_not_for_free")}
    assert CASES.keys() == UNBROKEN.keys() - elsewhere - {("host_identity", "declared_key")}
