"""What lasts for too long is told, with what to do; what a window is still to end is not."""

from __future__ import annotations

import json
import os
import stat
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import apt_state
import lasting
import old_libraries
import pytest
import reboot_need
import updates
from commands import Problem
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400
NOW = 1_800_000_000.0
SETTINGS: dict[str, Any] = {"max_age_days": 3, "held": [], "reboot": True, "window_at": "", "window_minutes": 60}
WINDOW = {**SETTINGS, "window_at": "Sun 03:00"}
NGINX = old_libraries.Old(os.getpid(), "nginx", "nginx.service", "/usr/lib/libssl.so.3")
SHELL = old_libraries.Old(7, "bash", "", "/usr/lib/libc.so.6")
BUS = old_libraries.Old(8, "dbus-daemon", "dbus.service", "/usr/lib/libc.so.6")


def remembered(host: SimpleNamespace) -> dict[str, float]:
    """Since when what lasts is there, without what is known of the clock."""
    known = json.loads(host.state.read_text())
    return {key: since for key, since in known.items() if key.split()[0] not in ("boot", "looked")}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host where nothing lasts.

    ``now``: what time it is; ``off``: how far its clock is ahead; ``started``: when this start of it was; ``every``:
    days from one window to the next.
    """
    found = SimpleNamespace(now=NOW, off=0.0, started=NOW - 100, boot="first", reboot=[], old=[], every=7)
    found.state, found.kept = tmp_path / "own/lasting.json", tmp_path / "kept"

    def sorted_out(old: list[old_libraries.Old]) -> tuple[set[str], old_libraries.Restarted]:
        rest = old_libraries.Restarted([], [], [], [])
        rest.reboot = [str(one) for one in old if one == BUS]
        rest.sessions = [str(one) for one in old if not one.unit]
        return {one.unit for one in old if one.unit and one != BUS}, rest

    def window_after(since: float, _at: str) -> float:
        return float((since // (found.every * DAY) + 1) * found.every * DAY)

    monkeypatch.setattr(lasting, "STATE", str(found.state))
    monkeypatch.setattr(lasting, "KEPT", str(found.kept))
    monkeypatch.setattr(lasting, "window_after", window_after)
    monkeypatch.setattr(lasting, "boot", lambda: found.boot)
    monkeypatch.setattr(time, "time", lambda: found.now + found.off)
    monkeypatch.setattr(time, "clock_gettime", lambda _: found.now - found.started)
    monkeypatch.setattr(reboot_need, "reasons", lambda: found.reboot)
    monkeypatch.setattr(old_libraries, "look", lambda: found.old)
    monkeypatch.setattr(old_libraries, "put_off", dict)
    monkeypatch.setattr(old_libraries, "sorted_out", sorted_out)
    return found


def test_nothing_lasts(host: SimpleNamespace) -> None:
    assert lasting.problems(SETTINGS) == []
    assert remembered(host) == {}


def test_a_host_without_a_window(host: SimpleNamespace) -> None:
    """It is told after the days that the policy allows, with what to do, until it is over; then it counts anew."""
    host.reboot, host.old = ["asked for by linux-image"], [NGINX, SHELL]
    assert lasting.problems(SETTINGS) == []
    host.now += 3 * DAY
    assert lasting.problems(SETTINGS) == []
    host.now += 1.5 * DAY
    reboot, code = lasting.problems(SETTINGS)
    assert reboot.startswith("a reboot has been needed for 4 days (asked for by linux-image): declare host.window")
    assert code.startswith(f"replaced code has been running for 4 days ({NGINX}): declare host.window")
    assert "`systemctl start holdfast-updates-window.service` does it now" in code
    host.reboot, host.old = [], []
    assert lasting.problems(SETTINGS) == []
    host.reboot = ["asked for by linux-image"]
    assert lasting.problems(SETTINGS) == []
    assert "bash" not in reboot + code, "a login is nothing that a window would end"


def test_what_only_a_reboot_ends_is_a_reason_for_one(host: SimpleNamespace) -> None:
    host.old = [BUS]
    lasting.problems(SETTINGS)
    host.now += 4 * DAY
    (said,) = lasting.problems({**SETTINGS, "reboot": False})
    assert said.startswith(f"a reboot has been needed for 4 days (runs old code: {BUS}): reboot it by hand, since ")


@pytest.mark.parametrize("every", [1, 7, 31])
def test_no_host_fails_between_two_of_its_windows(host: SimpleNamespace, every: int) -> None:
    """Whatever the days: it fails once a window has gone by, and not before."""
    host.every, host.reboot = every, ["asked for by linux-image"]
    lasting.problems(WINDOW)
    opens = lasting.window_after(NOW, "")
    assert opens is not None
    closes = opens + 3600
    while host.now < closes - 3600:
        assert lasting.problems(WINDOW) == []
        host.now += 3600
    host.now = max(NOW + 3 * DAY, closes + DAY) + 1
    (said,) = lasting.problems(WINDOW)
    assert said.endswith("and the host's window has not ended that: journalctl -u holdfast-updates-window.service")


def test_a_window_that_is_declared_now_did_not_open_before(host: SimpleNamespace) -> None:
    """Who declares one, as the message says, or another one, is done until the first of it has gone by."""
    host.reboot = ["asked for by linux-image"]
    lasting.problems(SETTINGS)
    host.now += 20 * DAY
    assert "declare host.window" in lasting.problems(SETTINGS)[0]
    for settings in (WINDOW, {**WINDOW, "window_at": "Mon 03:00"}):
        opens = lasting.window_after(host.now, "")
        assert opens is not None
        while host.now < opens + DAY:
            assert lasting.problems(settings) == []
            host.now += DAY / 2
        host.now = opens + DAY + 3601
        assert "the host's window has not ended that" in lasting.problems(settings)[0]


@given(st.floats(0, 400 * DAY), st.integers(1, 90), st.integers(0, 400) | st.none(), st.floats(0, 400 * DAY))
def test_never_within_the_days_and_never_before_a_window(
    age: float, days: int, opens: int | None, window_age: float
) -> None:
    """The later of both counts; without a window the days alone. No window opens before it is declared."""
    settings = {**WINDOW, "max_age_days": days}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lasting, "window_after", lambda since, _: None if opens is None else since + opens * DAY)
        late = lasting.is_late("code", NOW - age, NOW - window_age, NOW, settings)
        kept = lasting.is_late("kept", NOW - age, NOW - window_age, NOW, settings)
    since = max(NOW - age, NOW - window_age)
    too_old = NOW - (NOW - age) > days * DAY
    assert kept == too_old, "no window installs anything"
    assert late == (too_old and (opens is None or since + opens * DAY + 3600 + DAY < NOW))


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [
        (0, "    Next elapse: Sun 2025-12-07 03:00:00 UTC\n       From now: 11 months ago", 1765076400.0),
        (0, "    Next elapse: never", None),
        (1, "Failed to parse calendar specification", None),
    ],
)
def test_when_the_window_opens(code: int, text: str, found: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("env", "TZ=UTC", "systemd-analyze", "calendar", "--base-time=@1764500000", "Sun 03:00 UTC")
    answers = {argv: (code, text)}
    monkeypatch.setattr(lasting, "run", lambda *words: answers[words])
    assert lasting.window_after(1764500000.9, "Sun 03:00") == found


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "\x00", '{"reboot": "long"}', '{"%s": NaN}', '{"%s": -1}', '{"%s": 1e999}', '{"%s": true}'],
)
def test_a_broken_file_counts_from_now(text: str, host: SimpleNamespace) -> None:
    host.old = [NGINX]
    lasting.problems(SETTINGS)
    (key,) = remembered(host)
    host.state.write_text(text.replace("%s", key))
    assert lasting.problems(SETTINGS) == []
    assert remembered(host) == {key: NOW}


@pytest.mark.parametrize("boot", ["first", "second"])
@pytest.mark.parametrize("off", [-1825 * DAY, -4 * DAY, 1000 * DAY])
def test_a_clock_that_was_wrong_at_a_look(off: float, boot: str, host: SimpleNamespace) -> None:
    """What was there before, and what came meanwhile, are as old as they are once it is set right."""
    host.kept.write_text("old")
    lasting.problems(SETTINGS)
    host.now = NOW + DAY
    lasting.problems(SETTINGS)
    host.now, host.off, host.boot = NOW + 2 * DAY, off, boot
    host.kept.write_text("old new")
    if off < 0 or boot == "first":  # a boot with the clock ahead looks like a host that was off for so long
        assert lasting.problems(SETTINGS) == []
    else:
        assert len(lasting.problems(SETTINGS)) == 1
    host.off = 0.0
    assert lasting.problems(SETTINGS) == []
    host.now = NOW + 5.5 * DAY
    (said,) = lasting.problems(SETTINGS)
    # After a boot with the clock behind nobody knows how long the host was off: not more than that is missing.
    days = 4 if off < 0 and boot == "second" else 5
    assert said.startswith(f"updates have been kept back for {days} days (new, old)")


def test_a_clock_that_jumps_ahead_and_back_within_one_start(host: SimpleNamespace) -> None:
    """What is older than the start, and what came since, are as old as they are."""
    host.kept.write_text("old")
    lasting.problems(SETTINGS)
    host.now, host.boot, host.started = NOW + DAY, "second", NOW + DAY - 100
    host.kept.write_text("old new")
    lasting.problems(SETTINGS)
    host.now, host.off = NOW + 2 * DAY, 1000 * DAY
    assert lasting.problems(SETTINGS) == [], "ahead, all of it is as old as it is"
    host.off = 0.0
    assert lasting.problems(SETTINGS) == []
    assert remembered(host) == {"kept old": NOW, "kept new": NOW + DAY}
    host.now = NOW + 3.5 * DAY
    assert lasting.problems(SETTINGS)[0].startswith("updates have been kept back for 3 days (old)")


def test_a_clock_that_was_ahead_in_an_earlier_start(host: SimpleNamespace) -> None:
    """It makes nothing last for ever."""
    host.kept.write_text("nginx")
    host.off = 1000 * DAY
    lasting.problems(SETTINGS)
    host.off, host.boot = 0.0, "second"
    assert lasting.problems(SETTINGS) == []
    assert remembered(host) == {"kept nginx": NOW}
    host.now += 4 * DAY
    assert len(lasting.problems(SETTINGS)) == 1


def test_a_restarted_container_is_another_start(host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its boot is that of the machine it is on; what needs a restart now is not what needed the one that it had."""
    monkeypatch.undo()
    before = lasting.boot()
    assert before == lasting.boot()
    monkeypatch.setattr(lasting, "began", lambda pid: f"anew {pid}")
    assert lasting.boot() == before.rsplit(" ", 1)[0] + " anew 1"


def test_for_roots_eyes_alone(host: SimpleNamespace) -> None:
    host.old, mask = [NGINX], os.umask(0)
    try:
        lasting.problems(SETTINGS)
    finally:
        os.umask(mask)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (host.state.parent, host.state)]
    assert modes == [0o700, 0o600]


def test_what_cannot_be_remembered_is_told(host: SimpleNamespace) -> None:
    host.state.parent.write_text("in the way")
    (said,) = lasting.problems(SETTINGS)
    assert said.startswith("it cannot be remembered since when what has to end is there: ")


def test_kept_back_though_the_job_ran(host: SimpleNamespace) -> None:
    """Past any window, for none of them installs it; what may be held is nothing."""
    host.kept.write_text("libssl3 nginx\x1b[2J postgresql-15 libc6:i386")
    settings = {**WINDOW, "held": ["postgresql-15", "libc6"]}
    lasting.problems(settings)
    host.now += 3.5 * DAY
    (said,) = lasting.problems(settings)
    assert said.startswith(r"updates have been kept back for 3 days (libssl3, nginx\x1b[2J): ")
    host.kept.unlink()
    assert lasting.problems(settings) == []


def test_a_service_that_began_anew_is_another_matter(host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was restarted, and its new code was replaced in turn."""
    host.old = [NGINX]
    lasting.problems(SETTINGS)
    monkeypatch.setattr(lasting, "began", lambda _: "another")
    host.now += 4 * DAY
    assert lasting.problems(SETTINGS) == []


def test_many_are_not_all_listed(host: SimpleNamespace) -> None:
    host.kept.write_text(" ".join(f"p{number}" for number in range(9)))
    lasting.problems(SETTINGS)
    host.now += 4 * DAY
    assert "(p0, p1, p2, p3 and 5 more)" in lasting.problems(SETTINGS)[0]


def test_the_check_fails_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside all else that is wrong, also where it cannot be asked."""

    def cannot(_: Any) -> list[str]:
        raise Problem("systemctl: exit code 1")

    monkeypatch.setattr(updates, "settings", dict)
    monkeypatch.setattr(apt_state, "problems", lambda _: ["/var is full"])
    monkeypatch.setattr(lasting, "problems", lambda _: ["a reboot has been needed"])
    with pytest.raises(Problem, match=r"^/var is full; a reboot has been needed$"):
        updates.check()
    monkeypatch.setattr(lasting, "problems", cannot)
    with pytest.raises(Problem, match=r"^/var is full; systemctl: exit code 1$"):
        updates.check()

    def denied(_: Any) -> list[str]:
        raise PermissionError(13, "Permission denied", "/proc/1/cgroup")

    monkeypatch.setattr(lasting, "problems", denied)
    last = "what lasts for too long cannot be seen: /proc/1/cgroup: Permission denied"
    with pytest.raises(Problem, match=f"^/var is full; {last}$"):
        updates.check()


def test_when_a_process_began() -> None:
    assert lasting.began(os.getpid()).isdigit()
    assert lasting.began(2**22 + 1) == ""
