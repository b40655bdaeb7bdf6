"""The guard's small decisions: unit verbs, rules in words, the shell script, the program as one file."""

from __future__ import annotations

import base64
import contextlib
import grp
import json
import os
import pwd
import re
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import host
import pytest
import seal
import sets
import sshd
import sysctl
import tables
import units
from host import GuardError

from tests.loading import load

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]


def state(load: str = "loaded", active: str = "inactive", file: str = "disabled") -> dict[str, str]:
    return {"LoadState": load, "ActiveState": active, "UnitFileState": file}


@pytest.mark.parametrize(
    ("wanted", "now", "steps"),
    [
        ({"enabled": True, "active": True}, state(), [["enable", "u"], ["start", "u"]]),
        ({"enabled": True, "active": True}, state(active="active", file="enabled"), []),
        (
            {"enabled": False, "active": False},
            state(active="active", file="enabled"),
            [["stop", "u"], ["disable", "u"]],
        ),
        ({"enabled": False, "active": False}, state("not-found", file=""), []),
        ({"masked": True}, state("not-found", file=""), [["mask", "u"]]),
        ({"masked": True}, state("masked", file="masked"), []),
        ({"masked": False, "active": True}, state("masked", file="masked"), [["unmask", "u"], ["start", "u"]]),
        ({"active": True}, state(active="activating"), []),
        ({}, state(), []),
    ],
)
def test_unit_verbs(wanted: dict[str, Any], now: dict[str, str], steps: list[list[str]]) -> None:
    assert units._steps({"name": "u", **wanted}, now) == steps


def test_a_service_ends_with_its_socket_unit_before_it_is_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        {"name": "ssh.socket", "enabled": False, "active": False},
        {"name": "ssh.service", "enabled": True, "active": True},
    ]
    now = {"ssh.socket": state(active="active", file="enabled"), "ssh.service": state(active="active")}
    monkeypatch.setattr(units, "states", lambda _names: now)
    assert units.plan(wanted)[0] == [
        ["stop", "ssh.socket"], ["stop", "ssh.service"], ["disable", "ssh.socket"],
        ["enable", "ssh.service"], ["start", "ssh.service"],
    ]  # fmt: skip
    now["ssh.socket"] = state()
    assert units.plan(wanted)[0] == [["enable", "ssh.service"]]


def test_nobody_is_ended_while_sshd_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ended: list[int] = []
    answers = {
        "/usr/sbin/sshd": (0, "listenaddress 0.0.0.0:22"),
        "ss": (0, "LISTEN 0 1 0.0.0.0:22 0.0.0.0:* ino:7 sk:1 <->"),
    }
    monkeypatch.setattr(sshd, "run", lambda name, *_: answers.get(name, (1, "no answer from the bus")))
    monkeypatch.setattr(sshd, "log", said.append)
    monkeypatch.setattr("os.kill", lambda pid, _: ended.append(pid))
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    sshd.end_strays()
    assert (ended, "no answer from the bus" in said[0]) == ([], True)


def test_a_stray_sshd_is_told_by_its_program_and_its_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever calls itself sshd, with another's number in the name, names nobody who would be ended for it."""
    answers = {
        "/usr/sbin/sshd": "listenaddress 0.0.0.0:22\nlistenaddress [::]:22",
        "ss": "LISTEN 0 1 0.0.0.0:22 0.0.0.0:* ino:7 sk:1 cgroup:/a ino:9 <->\n"
        "LISTEN 0 1 [::]:22 [::]:* uid:1001 ino:8 sk:2 cgroup:/b\rLISTEN 0 1 [::1]:22 [::]:* ino:6 <->\n"
        "LISTEN 0 1 127.0.0.1:2222 0.0.0.0:* ino:5 sk:3 <->",
        "systemctl": "41",
    }
    monkeypatch.setattr(sshd, "run", lambda name, *_: (0, answers[name]))
    monkeypatch.setattr(sshd, "PROC", tmp_path)
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    for pid, program, inode in (
        (41, sshd.PROGRAM, 7),
        (42, f"{sshd.PROGRAM} (deleted)", 8),
        (43, "/usr/bin/python3", 8),
        (44, sshd.PROGRAM, 5),
        (45, sshd.PROGRAM, 9),
        (46, sshd.PROGRAM, 6),
    ):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        (tmp_path / f"{pid}/exe").symlink_to(program)
        (tmp_path / f"{pid}/fd/3").symlink_to(f"socket:[{inode}]")
    assert sshd._strays() == {42}
    assert sshd._owned() == {"0.0.0.0:22"}


def test_rules_are_told_by_their_comments() -> None:
    before = 'tcp dport 22 accept comment "ssh 22/tcp"\n tcp dport 2222 accept comment "ssh 2222/tcp"\n'
    after = 'tcp dport 22 accept comment "ssh 22/tcp"\n udp dport 53 accept comment "dns 53/udp"\n'
    assert tables.says(before, after) == ["close ssh 2222/tcp", "open dns 53/udp"]


def test_a_dot_in_an_interface_name_is_kept() -> None:
    assert sysctl.path_of("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
    assert sysctl.path_of("net.ipv4.conf.eth0/100.rp_filter") == "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"


def test_router_advertisements_that_the_kernel_leaves_to_others_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"net.ipv6.conf.eth0.accept_ra": "0", "net.ipv6.conf.eth1.accept_ra": "1", "net.ipv4.ip_forward": "0"}
    monkeypatch.setattr(sysctl, "read", lambda key: now[key])
    wanted = {"net.ipv6.conf.eth0.accept_ra": "2", "net.ipv6.conf.eth1.accept_ra": "2", "net.ipv4.ip_forward": "1"}
    assert sysctl.differing(wanted) == {"net.ipv6.conf.eth1.accept_ra": "2", "net.ipv4.ip_forward": "1"}


def test_kernel_settings_of_files_are_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysctl, "ROOT", f"{tmp_path}/")
    now = {"conf/eth0/redirects": "1\n", "conf/eth0.100/redirects": "1\n", "conf/lo/redirects": "1\n", "mem": "4\t8\n"}
    for name, value in now.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    file = tmp_path / "60-holdfast.conf"
    file.write_text("; a\n# b = 1\n\nconf.lo.redirects=1\nconf.*.redirects = 0\nmem = 4 8\ngone.* = 1\ngone = 1\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/99-later.conf").write_text("-mem = 5\nconf/lo/redirects = 7\n")
    (tmp_path / "d/10-earlier.conf").write_text("conf.*.redirects = 9\n")
    (tmp_path / "d/60-holdfast.conf").write_text("mem = 6\n")  # of the same name: never read
    outranked = sysctl.configured([str(file)], (f"{tmp_path}/d",))
    assert {"mem", "conf.lo.redirects"}.isdisjoint(outranked)
    assert outranked["conf.eth0.redirects"] == "0"
    wanted = sysctl.configured([str(file), f"{tmp_path}/not-there.conf"], ())
    redirects = {"conf.eth0.redirects": "0", "conf.eth0/100.redirects": "0", "conf.lo.redirects": "1"}
    assert wanted == {**redirects, "mem": "4 8", "gone": "1"}
    said = {f"set conf.{card}.redirects to 0: it was 1" for card in ("eth0", "eth0/100")}
    for only_look, after in ((True, "1"), (False, "0")):
        did, refused = sysctl.mend(wanted, only_look=only_look)
        assert (set(did), refused) == (said, ["gone is none of its settings"])
        assert (tmp_path / "conf/eth0.100/redirects").read_text().strip() == after
    assert sysctl.mend(wanted, only_look=False)[0] == []


@pytest.fixture
def action() -> ModuleType:
    return load(ROOT / "action_plugins" / "guard_commit.py")


def test_the_program_is_one_file_that_runs_and_is_always_the_same(action: ModuleType, tmp_path: Path) -> None:
    assert action.program() == action.program()
    path = tmp_path / "guard"
    path.write_bytes(action.program())
    path.chmod(0o700)
    done = subprocess.run([path, "no-such-verb"], capture_output=True, text=True, check=False)
    assert (done.returncode, "no such verb" in done.stdout) == (1, True), done


@pytest.mark.parametrize(
    ("names", "log", "reverted"),
    [
        (["armed.json", "last-revert.json"], "x1 armed", None),
        ([], "x1 armed", None),  # neither file says it
        (["confirmed.json"], "x1 armed\nx1 confirmed", False),
        (["last-revert.json"], "x1 armed\nx1 reverted", True),
        (["last-revert.json"], "x1 armed\nx1 \x1b]0;title\x07 reverted", True),
    ],
)
def test_a_revert_is_claimed_only_where_the_host_says_so(
    action: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    names: list[str],
    log: str,
    reverted: bool | None,
) -> None:
    for name in names:
        (tmp_path / name).write_text('{"id": "x1"}')
    (tmp_path / "log").write_text(f"{log}\nx2 reverted\n")

    def execute(command: str) -> dict[str, Any]:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout_lines": done.stdout.splitlines()}

    monkeypatch.setattr(action, "STORE", str(tmp_path))
    plugin = action.ActionModule.__new__(action.ActionModule)
    plugin._connection = SimpleNamespace(exec_command=lambda *_, **__: None)
    plugin._low_level_execute_command = execute
    login = load(ROOT / "action_plugins" / "fresh_login.py").ActionModule
    plugin._shared_loader_obj = SimpleNamespace(action_loader=SimpleNamespace(get=lambda *_, **__: login))
    last = {"outcome": "no answer", "stderr": "", "stdout": "", "fingerprint": None}
    result = plugin._give_up({"id": "x1", "seconds": -19}, last, time.monotonic())
    assert (result["failed"], result["reverted"]) == (True, reverted)
    words = log.replace("\x1b", " ").replace("\x07", " ")
    assert result["host_log"] == ([] if reverted is None else words.splitlines())


@pytest.mark.parametrize(
    ("outcome", "accepted", "told"),
    [
        ("denied", None, True),
        ("refused", None, False),
        ("no answer", None, False),
        ("no answer", "SHA256:abc", True),  # by its signature
    ],
)
def test_a_proof_in_vain_tells_of_keys_that_wait(
    action: ModuleType, monkeypatch: pytest.MonkeyPatch, outcome: str, accepted: str | None, told: bool
) -> None:
    plugin = action.ActionModule.__new__(action.ActionModule)
    plugin._connection = SimpleNamespace(exec_command=lambda *_, **__: None)
    monkeypatch.setattr(plugin, "_wait_for_end", lambda *_: (False, ["reverted"]))
    monkeypatch.setattr(plugin, "_deadline", lambda _seconds: contextlib.nullcontext())
    last = {"outcome": outcome, "stderr": "alice@192.0.2.1: what ssh says", "stdout": "", "fingerprint": accepted}
    said = plugin._give_up({"id": "x1", "seconds": 60}, last, time.monotonic())["msg"]
    assert ("waited in vain for a touch or a PIN" in said) is told


def test_a_setting_of_a_card_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysctl, "ROOT", f"{tmp_path}/")
    (tmp_path / "net/ipv6").mkdir(parents=True)
    with pytest.raises(GuardError, match=r"net\.ipv6\.conf\.eht0\.accept_ra.*no card of that name"):
        sysctl.differing({"net.ipv6.conf.eht0.accept_ra": "2"})
    (tmp_path / "net/ipv6").rmdir()  # a kernel without IPv6
    assert sysctl.differing({"net.ipv6.conf.all.forwarding": "1"}) == {}


def test_what_the_kernel_sets_by_itself_is_put_back_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl, "read", lambda key: {"net.ipv4.ip_forward": "0"}.get(key, "as it was"))
    saved = sysctl.before({"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})
    assert list(saved.items()) == [
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.conf.all.accept_redirects", "as it was"),
        ("net.ipv6.conf.all.forwarding", "as it was"),
    ]


@pytest.mark.parametrize(
    ("answer", "dump"),
    [
        ((0, "table inet x {}"), "table inet x {}"),
        ((1, "Error: No such file or directory\nlist table inet x"), ""),
        ((127, "nft: not installed"), ""),
    ],
)
def test_rules_that_are_there_or_not(answer: tuple[int, str], dump: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "run", lambda *_: answer)
    assert tables.dump("inet x") == dump


@pytest.mark.parametrize(
    "answer", [(124, "nft: no end after 30 s"), (1, "netlink: Error: cache initialization failed")]
)
def test_rules_that_cannot_be_read_are_no_absent_ones(answer: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "run", lambda *_: answer)
    with pytest.raises(GuardError, match="cannot be read"):
        tables.dump("inet x")


def test_what_a_file_of_settings_says_no_more_is_put_back_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysctl, "ROOT", f"{tmp_path}/")
    for name in ("ours", "others", "alone", "card/a", "card/b", "same", "pattern/a", "taken/out", "never"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("5\n")
    ours, folder = tmp_path / "d/60-ours.conf", tmp_path / "d"
    folder.mkdir()
    (folder / "50-others.conf").write_text("others = 3\nours = 3\n-taken.out\nno assignment\n")
    old = b"-never\ntaken.out = 5\n"
    old += b"ours = 5\nothers = 5\nalone = 5\n# not = 5\ncard.* = 5\nsame = 5\ngone.key = 5\npattern.a = 5\n"
    new = b"# other words\nours=4\nsame = 5\ncard.b = 5\npattern.* = 5\n"
    ours.write_bytes(new)
    stays = "{} is declared no more, and stays 5 until the next start"
    assert sysctl.let_go(str(ours), sorted(sysctl.dropped(old, new)), (str(folder),)) == [
        stays.format("alone"), stays.format("card.a"), stays.format("taken.out"), "set others to 3: it was 5",
    ]  # fmt: skip
    assert (tmp_path / "others").read_text() == "3"
    assert (tmp_path / "ours").read_text() == "5\n", "that is left to the handler"
    assert not sysctl.dropped(new, new)
    assert sysctl.let_go(str(ours), ["ours"], (str(folder),)) == [], "it is said again"


def test_what_is_taken_out_of_patterns_is_said_by_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As 50-default.conf of systemd has it: `-net.ipv4.conf.all.accept_source_route`."""
    monkeypatch.setattr(sysctl, "ROOT", f"{tmp_path}/")
    (tmp_path / "conf").mkdir()
    for name in ("all", "eth0"):
        (tmp_path / "conf" / name).write_text("1\n")
    file = tmp_path / "60-ours.conf"
    file.write_text("conf.* = 0\nconf.all\n-conf.*\n")
    assert sysctl.configured([str(file)], ()) == {}, "a pattern taken out by the same one"
    file.write_text("conf.* = 0\nconf.all\n")
    assert sysctl.configured([str(file)], ()) == {"conf.all": "0", "conf.eth0": "0"}
    (tmp_path / "50-default.conf").write_text("-conf.all\n")
    (tmp_path / "70-default.conf").write_text("-conf.e*\n")  # no name of a setting: it takes out none
    assert sysctl.configured([str(file)], (str(tmp_path),)) == {"conf.eth0": "0"}


class Killed(BaseException):
    """What ends a run in the midst of it."""


@pytest.fixture
def let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Give the order of a set whose file says a setting no more, and lies there as it was before."""
    monkeypatch.setattr(sysctl, "ROOT", f"{tmp_path}/")
    monkeypatch.setattr(sysctl, "FOLDERS", (f"{tmp_path}/d",))
    monkeypatch.setattr(sysctl.let_go, "__defaults__", ((f"{tmp_path}/d",),))
    monkeypatch.setattr(seal, "STORE", str(tmp_path / "store"))
    monkeypatch.setattr(sets, "run", lambda *_, **__: (0, ""))
    (tmp_path / "store").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "alone").write_text("5\n")
    file = tmp_path / "d/60-ours.conf"
    file.write_text("alone = 5\nsame = 5\n")
    file.chmod(0o644)
    who = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "mode": 0o644}
    entry = {"path": str(file), "data": base64.b64encode(b"same = 5\n").decode(), **who}
    return {
        "concern": "sample", "digest": "", "files": [entry], "prune": [], "units": [], "look_for": [],
        "handlers": [{"argv": ["sysctl"], "paths": [f"{tmp_path}/d/*"]}],
    }  # fmt: skip


STAYS = ["alone is declared no more, and stays 5 until the next start"]


def killed_at(order: dict[str, Any], step: str) -> None:
    """Let a run be killed there."""

    def killed(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sets, "checkpoint", killed)
        with pytest.raises(Killed):
            sets._carry_out(sets.Difference(order))


def carried_out(order: dict[str, Any]) -> list[str]:
    """Return what a run tells that goes through."""
    change = sets.Difference(order)
    sets._carry_out(change)
    assert not sets.Difference(order)
    return change.heard


@pytest.mark.parametrize("refused", [False, True])
def test_a_killed_run_forgets_no_setting_that_is_declared_no_more(
    let_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Its file lies as declared by then, so that nothing but what it wrote down before tells of the setting.

    :param refused: the next run is put back, and leaves it to the one after it.
    """
    killed_at(let_go, "set-swapped")
    if refused:
        with monkeypatch.context() as refusing:
            refusing.setattr(sets, "run", lambda *_, **__: (1, "no"))
            with pytest.raises(GuardError, match="everything was put back"):
                sets._carry_out(sets.Difference(let_go))
    assert Path(let_go["files"][0]["path"]).read_text() == "same = 5\n"
    assert carried_out(let_go) == STAYS


@pytest.mark.parametrize(("step", "told"), [("set-staged", STAYS), ("set-swapped", [])])
def test_a_start_after_the_kill_is_the_next_start(
    let_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step: str, told: list[str]
) -> None:
    """If the file was there already; one that said the setting still has set it again. Another kill changes neither."""
    killed_at(let_go, step)
    monkeypatch.setattr(sets, "this_start", lambda: "another")
    killed_at(let_go, step)
    assert carried_out(let_go) == told


def test_a_start_has_a_name_of_its_own() -> None:
    assert re.fullmatch(r"[0-9a-f-]{36} \d+", host.this_start())
    assert host.this_start() == host.this_start()


def test_a_link_in_the_place_of_a_file_that_was_placed_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an upgrade of Debian lays one at /etc/default/locale."""
    monkeypatch.setattr(seal, "STORE", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    placed = [str(tmp_path / name) for name in ("file", "link", "folder", "gone")]
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "store/sample.json").write_text(json.dumps({"files": placed}))
    order: dict[str, Any] = {"concern": "sample", "files": [], "prune": [], "handlers": [], "units": []}
    assert sets.Difference(order).removed == [str(tmp_path / "file")]
