"""What a commit does to the account databases, and what of it a revert may bring back."""

from __future__ import annotations

import datetime
from typing import Any

import accounts
import pytest
from host import GuardError

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
oper:x:1000:1000::/home/oper:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
debian:x:1002:1002::/home/debian:/bin/bash
app:x:1003:1003::/srv/app:/bin/sh
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
"""
SHADOW = """root:$6$abc$hash:20000:0:99999:7:::
daemon:*:20000:0:99999:7:::
oper:*:20000:0:99999:7:::
bob:$6$bob$hash:20000:0:99999:7:::
debian:!:20000:0:99999:7:::
app:!:20000:0:99999:7:::
nobody:*:20000:0:99999:7:::
"""
GROUP = """root:x:0:
sudo:x:27:bob,debian
holdfast-ssh:x:990:bob
holdfast-admin:x:991:bob,oper
oper:x:1000:
"""


@pytest.fixture(autouse=True)
def _databases(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"passwd": PASSWD, "shadow": SHADOW, "group": GROUP}
    monkeypatch.setattr(accounts, "load", lambda: dict(texts))
    monkeypatch.setattr(accounts, "human_uids", lambda: range(1000, 60001))


def order(present: str, *declared: dict[str, Any], keep: tuple[str, ...] = ("app",)) -> dict[str, Any]:
    full = [{"shell": "/bin/bash", "expires": None, "password": "*", "groups": [], **account} for account in declared]
    return {"accounts": full, "keep": list(keep), "login_as": present}


OPER = {"name": "oper", "groups": ["holdfast-ssh", "holdfast-admin"], "expires": "2027-06-30"}


def shadow_of(text: str, name: str) -> list[str]:
    return next(line.split(":") for line in text.splitlines() if line.startswith(f"{name}:"))


def members(text: str, group: str) -> list[str]:
    return next(line.split(":")[3].split(",") for line in text.splitlines() if line.startswith(f"{group}:"))


def test_undeclared_people_are_locked_and_expired_and_others_left_alone() -> None:
    plan = accounts.Plan(order("root", OPER))
    assert plan.closed == ["bob", "debian"]
    assert shadow_of(plan.after["shadow"], "bob")[1] == "!$6$bob$hash"
    assert shadow_of(plan.after["shadow"], "bob")[7] == "1"
    assert shadow_of(plan.after["shadow"], "app") == shadow_of(SHADOW, "app")
    assert shadow_of(plan.after["shadow"], "nobody") == shadow_of(SHADOW, "nobody")
    assert shadow_of(plan.after["shadow"], "root")[1] == "*"


def test_the_account_ends_the_day_after_its_last_one() -> None:
    plan = accounts.Plan(order("root", OPER))
    assert (
        shadow_of(plan.after["shadow"], "oper")[7] == "21000"
    )  # $(date -ud 2027-07-01 +%s) / 86400: the first day on which it is closed


def test_memberships_become_exactly_the_declared_ones() -> None:
    plan = accounts.Plan(order("root", OPER, {"name": "bob", "groups": ["holdfast-ssh"]}))
    assert members(plan.after["group"], "sudo") == ["debian"]
    assert members(plan.after["group"], "holdfast-admin") == ["oper"]
    assert "oper" in members(plan.after["group"], "holdfast-ssh")


def test_a_revert_does_not_reopen_what_was_closed() -> None:
    back = accounts.Plan(order("root", OPER))
    assert shadow_of(back.to_restore("shadow"), "bob")[7] == "1"
    assert shadow_of(back.to_restore("shadow"), "oper") == shadow_of(SHADOW, "oper")
    assert shadow_of(back.to_restore("shadow"), "root") == shadow_of(SHADOW, "root")


def test_a_revert_does_not_give_a_right_back() -> None:
    back = accounts.Plan(order("root", OPER, {"name": "bob", "groups": ["holdfast-ssh"]}))
    assert members(back.to_restore("group"), "holdfast-admin") == ["oper"]
    assert members(back.to_restore("group"), "holdfast-ssh") == ["bob"], "what the commit added goes away again"


def test_the_account_that_runs_the_commit_is_never_final() -> None:
    back = accounts.Plan(order("debian", OPER))
    assert "debian" in back.closed
    assert shadow_of(back.to_restore("shadow"), "debian") == shadow_of(SHADOW, "debian")
    assert members(back.to_restore("group"), "sudo") == ["bob", "debian"]


def by_hand(monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """Let the host's databases be these, the others as they are."""
    monkeypatch.setattr(accounts, "load", lambda: {"passwd": PASSWD, "shadow": SHADOW, "group": GROUP, **texts})


DOORS = """sudo:x:27:app
holdfast-ssh:x:990:app,oper
holdfast-admin:x:991:app,daemon,gone,oper
holdfast-nopasswd:x:992:daemon
"""


def test_nobody_else_is_in_our_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an account of the system, nor a kept one, nor a name without an account; other groups are theirs."""
    by_hand(monkeypatch, group=DOORS, gshadow="holdfast-admin:!::app,daemon,oper\nholdfast-nopasswd:!::daemon,daemon\n")
    plan = accounts.Plan(order("root", OPER))
    assert {"group", "gshadow"} <= set(plan.changed)
    assert "take daemon out of holdfast-nopasswd" in plan.says
    assert members(plan.after["group"], "holdfast-ssh") == ["oper"]
    assert members(plan.after["group"], "holdfast-admin") == ["oper"]
    assert members(plan.after["group"], "holdfast-nopasswd") == [""]
    assert members(plan.after["gshadow"], "holdfast-admin") == ["oper"]
    assert members(plan.after["gshadow"], "holdfast-nopasswd") == [""]
    assert members(plan.after["group"], "sudo") == ["app"]
    by_hand(monkeypatch, **plan.after)
    assert accounts.Plan(order("root", OPER)).changed == []


def test_a_revert_gives_no_one_else_our_groups_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save for the account that runs the commit, which has to repair it."""
    by_hand(monkeypatch, group=DOORS)
    back = accounts.Plan(order("app", OPER)).to_restore("group")
    assert members(back, "holdfast-admin") == ["app", "oper"]
    assert members(back, "holdfast-nopasswd") == [""]


def test_no_declared_account_ends_by_the_age_of_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it has one or none; what belongs to others ages as it did, and a revert brings the age back."""
    aged = SHADOW.replace("oper:*:20000:0:99999:7::", "oper:*:0:0:90:7:14:").replace(
        "bob:$6$bob$hash:20000:0:99999:7::", "bob:$6$bob$hash:20000:0:90:7::"
    )
    by_hand(monkeypatch, shadow=aged)
    wanted = order("root", OPER, {"name": "bob", "password": "$6$bob$hash"})
    plan = accounts.Plan(wanted)
    today = datetime.datetime.now(datetime.UTC).date() - datetime.date(1970, 1, 1)
    assert shadow_of(plan.after["shadow"], "oper")[2:7] == [str(today.days), "0", "", "7", ""]
    assert shadow_of(plan.after["shadow"], "bob")[2:7] == ["20000", "0", "", "7", ""]
    assert shadow_of(plan.after["shadow"], "app") == shadow_of(aged, "app")
    assert "let bob's password never be due for a change" in plan.says
    assert shadow_of(plan.to_restore("shadow"), "oper") == shadow_of(aged, "oper")
    by_hand(monkeypatch, **plan.after)
    assert accounts.Plan(wanted).changed == []


def test_a_second_plan_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = accounts.Plan(order("root", OPER))
    monkeypatch.setattr(accounts, "load", lambda: dict(first.after))
    second = accounts.Plan(order("root", OPER))
    assert (second.changed, second.says) == ([], [])


def test_what_does_not_exist_yet_is_named() -> None:
    plan = accounts.Plan(order("root", OPER, {"name": "new", "groups": []}, {"name": "bob", "groups": ["holdfast-x"]}))
    assert plan.missing == ["new", "group holdfast-x"]


MALLORY = "mallory:x:33:991::/var/www:/bin/sh\n"  # www-data, say, with holdfast-admin for its primary group
GSHADOW = """root:*::
holdfast-ssh:!::bob
holdfast-admin:$y$joined:bob:oper
oper:!::
"""


def gid_of(text: str, name: str) -> str:
    return shadow_of(text, name)[3]


def test_nobody_is_in_a_group_by_the_primary_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person gets the group of the own name, else the one of all users; others only leave what opens a door."""
    passwd = PASSWD.replace("oper:x:1000:1000:", "oper:x:1000:27:").replace("bob:x:1001:1001:", "bob:x:1001:991:")
    group = GROUP + "users:x:100:\nnogroup:x:65534:\n"
    texts = {"passwd": passwd + MALLORY, "shadow": SHADOW, "group": group}
    monkeypatch.setattr(accounts, "load", lambda: dict(texts))
    plan = accounts.Plan(order("root", OPER, {"name": "bob", "groups": ["holdfast-ssh"]}))
    assert [gid_of(plan.after["passwd"], name) for name in ("oper", "bob", "mallory")] == ["1000", "100", "100"]
    assert "give oper the primary group oper instead of sudo" in plan.says
    assert gid_of(plan.after["passwd"], "daemon") == "1"
    assert gid_of(plan.to_restore("passwd"), "mallory") == "100"
    assert gid_of(accounts.Plan(order("oper", OPER)).to_restore("passwd"), "oper") == "27"
    texts["passwd"] = plan.after["passwd"]
    assert "passwd" not in accounts.Plan(order("root", OPER, {"name": "bob", "groups": ["holdfast-ssh"]})).changed


def test_nobody_joins_or_administers_the_own_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"passwd": PASSWD, "shadow": SHADOW, "group": GROUP, "gshadow": GSHADOW}
    monkeypatch.setattr(accounts, "load", lambda: dict(texts))
    plan = accounts.Plan(order("bob", OPER))
    for text in (plan.after["gshadow"], plan.to_restore("gshadow")):
        assert shadow_of(text, "holdfast-admin")[1:3] == ["!", ""]


def test_databases_of_another_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no UTF-8, compatibility lines and short ones are kept as they are."""
    latin = "rené".encode("latin-1").decode(errors="surrogateescape")
    odd = f"old:x:1005:1005:{latin}\x85:/home/old:/bin/sh\n+::::::\n"
    texts = {
        "passwd": PASSWD + odd,
        "shadow": SHADOW + "old:!:20000\n+::::::::\n",
        "group": GROUP + "+:::\n",
    }
    monkeypatch.setattr(accounts, "load", lambda: dict(texts))
    plan = accounts.Plan(order("root", OPER))
    assert "old" in plan.closed
    assert shadow_of(plan.after["shadow"], "old") == ["old", "!", "20000", "", "", "", "", "1", ""]
    assert plan.after["passwd"].endswith(odd)
    assert b"ren\xe9" in accounts.encoded(plan.after["passwd"])
    assert plan.after["group"].endswith("+:::\n")


def test_a_declared_person_without_a_line_in_shadow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"passwd": PASSWD, "shadow": SHADOW.replace("oper:*:20000:0:99999:7:::\n", ""), "group": GROUP}
    monkeypatch.setattr(accounts, "load", lambda: dict(texts))
    with pytest.raises(GuardError, match="oper has no line in /etc/shadow"):
        accounts.Plan(order("root", OPER))


EMPTY = {"daemon": "daemon:*:", "app": "app:!:", "oper": "oper:*:", "debian": "debian:!:", "root": "root:$6$abc$hash:"}


def test_an_empty_password_is_locked_whosever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's, a kept one's, a person's; a revert brings it back to the account of the present session alone."""
    shadow = SHADOW
    for name, line in EMPTY.items():
        shadow = shadow.replace(line, f"{name}::")
    by_hand(monkeypatch, shadow=shadow)
    plan = accounts.Plan(order("debian", OPER))
    assert [shadow_of(plan.after["shadow"], name)[1] for name in EMPTY] == ["*", "*", "*", "!", "*"]
    assert "lock daemon's password, which is empty" in plan.says
    back = plan.to_restore("shadow")
    assert [shadow_of(back, name)[1] for name in EMPTY] == ["*", "*", "*", "", "*"]
    assert shadow_of(back, "debian") == shadow_of(shadow, "debian")
    by_hand(monkeypatch, **plan.after)
    assert accounts.Plan(order("debian", OPER)).changed == []


def test_no_password_counts_before_that_in_shadow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty field of passwd would let in whoever comes, and a hash there opens an account that is closed."""
    passwd = PASSWD + "lone::33:33::/var/www:/bin/sh\n+::::::\n"
    for name, field in {"oper": "", "app": "", "bob": "$6$hidden", "daemon": "*"}.items():
        passwd = passwd.replace(f"{name}:x:", f"{name}:{field}:")
    by_hand(monkeypatch, passwd=passwd)
    plan = accounts.Plan(order("root", OPER))
    for text in (plan.after["passwd"], plan.to_restore("passwd")):
        assert [shadow_of(text, name)[1] for name in ("oper", "app", "bob", "daemon", "lone")] == [*"xxx**"]
        assert text.endswith("+::::::\n")
    by_hand(monkeypatch, **plan.after)
    assert accounts.Plan(order("root", OPER)).changed == []
