"""A service whose release is not on the machine that verifies is judged by what runs of it, and told of as such."""

from __future__ import annotations

from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from verify import test_service_isolation, test_service_sandbox, test_services
from verify.expected import Catalogue, Expected
from verify.outcome import NotApplicable
from verify.remote import services
from verify.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = {"MemoryMax": "1", "TasksMax": "1", "CPUQuotaPerSecUSec": "1s"}
UP = {"ActiveState": "active", "UnitFileState": "enabled", "Result": "success", **BOUND}
FAILED = {**UP, "ActiveState": "failed", "Result": "exit-code"}
WEB, TIMER, SWEEP = "blog-web@0f1e2d.service", "blog-sweep@0f1e2d.timer", "blog-sweep@0f1e2d.service"
GOOD = {WEB: UP, TIMER: UP, SWEEP: {**UP, "ActiveState": "inactive"}}
OLD_TIMER = "blog-sweep@1.timer"
PARTS, LOOP, SCHEDULES = (
    test_services.test_parts_run,
    test_services.test_no_loop_and_no_kill,
    test_services.test_schedules,
)
BOUNDS, EXPOSURE = test_service_sandbox.test_bounds, test_service_sandbox.test_exposure
ALL = (PARTS, LOOP, SCHEDULES, BOUNDS, EXPOSURE)


def target(
    monkeypatch: pytest.MonkeyPatch,
    units: dict[str, dict[str, str]],
    exposure: str = "1.0",
    release: str = "",
    **service: Any,
) -> Target:
    """A host that has these units, and a service whose release was not read, or is this one."""
    parts: dict[str, Any] = {"run": {"web": {}}, "schedule": [{"name": "sweep"}]}
    blog = {"name": "blog", "hosts": ["web1"], "release": {"path": "dist"}, **parts, **service}
    releases = {"blog": {"id": release}} if release else {}
    data = {"people": [], "policy": {}, "hosts": {"web1": {}}, "services": [blog], "releases": releases}
    expected = Expected(Catalogue(data, "", ""), "web1")

    def run(argv: list[str], _seconds: float = 30) -> str:
        if argv[:2] == ["systemctl", "list-units"]:
            return "\n".join(f"{unit} loaded" for unit in units if any(fnmatchcase(unit, kind) for kind in argv[5:]))
        if argv[:2] == ["systemctl", "show"]:
            asked = argv[argv.index("--") + 1 :]
            return "\n\n".join(
                "\n".join(f"{key}={value}" for key, value in {"Id": name, **units[name]}.items()) for name in asked
            )
        return "".join(f"overall exposure level for {name}: {exposure} OK\n" for name in argv[3:] if "@" in name)

    monkeypatch.setattr(services, "run", run)
    monkeypatch.setattr(services, "killed_for_memory", list)
    backend = SimpleNamespace(call=lambda _program, params: services.main(params))
    return Target(expected, backend, SimpleNamespace(ssh={}, prefix=""))  # type: ignore[arg-type]


def judge(check: Callable[[Target], None], found: Target) -> None:
    """Run a check that has to apply: one that does not would only skip its test."""
    try:
        check(found)
    except NotApplicable as problem:
        raise AssertionError("it judges nothing") from problem


def test_what_runs_is_judged_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ALL:
        found = target(monkeypatch, GOOD)
        judge(check, found)
        (note,) = found.notes
        assert note.startswith("blog: its release cannot be read on the machine that verifies"), check


@pytest.mark.parametrize(
    ("check", "units", "exposure", "said"),
    [
        (PARTS, {WEB: FAILED}, "1.0", f"{WEB} is failed \\(exit-code\\)"),
        (PARTS, {}, "1.0", "blog-web runs in no release"),
        (PARTS, {WEB: {**UP, "UnitFileState": "disabled"}}, "1.0", f"{WEB} would not start at boot"),
        (PARTS, {WEB: UP, "blog-web@1.service": UP}, "1.0", "only one of them can be declared"),
        (
            LOOP,
            {WEB: {**UP, "NRestarts": "9", "ExecMainStartTimestampMonotonic": str(10**18)}},
            "1.0",
            "started again 9",
        ),
        (SCHEDULES, {TIMER: UP, SWEEP: FAILED}, "1.0", f"the last run of {SWEEP} failed"),
        (SCHEDULES, {WEB: UP}, "1.0", "blog-sweep has no timer"),
        (SCHEDULES, {**GOOD, OLD_TIMER: UP}, "1.0", f"{TIMER} and {OLD_TIMER} wait, and only one of them"),
        (BOUNDS, {WEB: {**UP, "MemoryMax": "infinity"}}, "1.0", f"{WEB}: no bound on memory"),
        (EXPOSURE, GOOD, "9.2", f"{WEB}: 9.2"),
    ],
)
def test_what_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Target], None],
    units: dict[str, dict[str, str]],
    exposure: str,
    said: str,
) -> None:
    with pytest.raises(pytest.fail.Exception, match=said):
        judge(check, target(monkeypatch, units, exposure))


def test_its_account_and_places_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not depend on which release it is."""
    found = target(monkeypatch, GOOD)
    monkeypatch.setattr(found, "_facts", {"accounts": [], "uid_min": 1000, "groups": {}})
    with pytest.raises(pytest.fail.Exception, match="blog has no account"):
        judge(test_service_isolation.test_accounts_are_locked, found)
    with pytest.raises(pytest.fail.Exception, match=r"/etc/holdfast/services/blog\.env is not there"):
        judge(test_service_isolation.test_places_have_their_modes, found)


@pytest.mark.parametrize(("check", "kinds"), [(BOUNDS, "part that runs all the time"), (EXPOSURE, "part .* schedule")])
def test_that_a_release_is_declared_is_not_denied(
    monkeypatch: pytest.MonkeyPatch, check: Callable[[Target], None], kinds: str
) -> None:
    with pytest.raises(NotApplicable, match=f"cannot read the releases of blog, and no {kinds} of them is there"):
        check(target(monkeypatch, {}))


@pytest.mark.parametrize("release", ["", "0f1e2d"])
@pytest.mark.parametrize("check", [PARTS, BOUNDS])
def test_a_service_of_schedules_alone_has_no_part(
    monkeypatch: pytest.MonkeyPatch, check: Callable[[Target], None], release: str
) -> None:
    """Its release is declared, and its timer is there, so neither is denied."""
    with pytest.raises(NotApplicable, match=r"^no service with a part that runs all the time is declared here$"):
        check(target(monkeypatch, {TIMER: UP, SWEEP: UP}, release=release, run={}))


def test_a_timer_of_another_release_is_found_where_the_declared_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was stopped, and is still told of as its command has not ended, is none."""
    stopped = {**UP, "ActiveState": "inactive"}
    for check in (PARTS, SCHEDULES):
        judge(check, target(monkeypatch, {**GOOD, OLD_TIMER: stopped}, release="0f1e2d"))
    found = target(monkeypatch, {**GOOD, OLD_TIMER: UP}, release="0f1e2d")
    judge(PARTS, found)
    with pytest.raises(pytest.fail.Exception, match=f"- {OLD_TIMER} waits, but is not declared$"):
        judge(SCHEDULES, found)
