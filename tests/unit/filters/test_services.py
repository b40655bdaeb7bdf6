"""Services: what their units become, and what preflight refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.filters.support import FILTERS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASES = {"blog": {"id": "0f1e2d3c4b5a", "path": "/builds/blog"}}
VALUES = {"blog": {"key": "almond", "pin": 5, "none": ""}}
RUNNING: dict[str, Any] = {
    "release": {"path": "dist"},
    "run": {"web": {"exec": "bin/serve --at 100%", "health": {"path": "/healthz"}}, "job": {"exec": "/usr/bin/job"}},
    "schedule": [{"name": "clean", "exec": "bin/clean", "at": "daily"}],
    "env": {"GREETING": 'say "50%" \\ more, $HOME or `x` # no end'},
    "secrets": ["key"],
    "needs": [{"directive": "MemoryDenyWriteExecute=no", "reason": "its JIT"}],
    "overrides": {"web2": {"memory": "64M"}},
}


@pytest.fixture
def running(raw: dict[str, Any]) -> dict[str, Any]:
    """An environment whose blog runs."""
    raw["services"][0].update(RUNNING)
    return raw


def of(raw: Any, host: str = "web1") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = FILTERS["host_services"](FILTERS["catalogue"](raw, SCHEMA), host, RELEASES)
    return found


def mistakes(raw: Any) -> list[tuple[str, str, str]]:
    cat = FILTERS["catalogue"](raw, SCHEMA, tolerant=True)
    found = FILTERS["service_mistakes"](cat, VALUES) + FILTERS["data_mistakes"](raw, SCHEMA)
    assert "almond" not in str(found)
    return [(item["entry"], item["key"], item["fix"]) for item in found]


def test_commands_are_spelled_for_systemd(running: dict[str, Any]) -> None:
    (blog,) = of(running)
    assert [part["exec"] for part in blog["parts"]] == [
        "/usr/bin/job",
        "/srv/blog/releases/%i/bin/serve --at 100%%",
    ]
    assert blog["memory"] == "512M"
    assert of(running, "web2")[0]["memory"] == "64M"


def test_the_environment_is_roots_alone_and_literal(running: dict[str, Any]) -> None:
    (found,) = [one for one in FILTERS["service_files"](of(running)) if one["path"].endswith(".env")]
    assert found == {
        "path": "/etc/holdfast/services/blog.env",
        "content": 'GREETING="say \\"50%\\" \\\\ more, \\$HOME or \\`x\\` # no end"\n',
        "mode": "0600",
    }


def test_what_is_set_for_a_service_is_no_variable_of_its_own(running: dict[str, Any]) -> None:
    running["services"][0]["env"] = {"PORT": "9000", "SOCKET": "/x", "CREDENTIALS_DIRECTORY": "/y", "OTHER": "z"}
    assert {key for _, key, _ in mistakes(running)} >= {"env.PORT", "env.SOCKET", "env.CREDENTIALS_DIRECTORY"}
    assert "env.OTHER" not in {key for _, key, _ in mistakes(running)}


def test_a_service_without_a_release_has_an_account_and_no_units(raw: dict[str, Any]) -> None:
    found = FILTERS["host_services"](FILTERS["catalogue"](raw, SCHEMA), "web1", {})
    assert [(one["name"], one["parts"], one["schedules"], one["release"]) for one in found] == [("blog", [], [], None)]
    assert [entry["path"] for entry in FILTERS["service_files"](found)] == ["/etc/holdfast/services/blog.json"]
    assert FILTERS["service_units"](found) == FILTERS["release_places"](found) == []


def test_files_and_units_of_a_running_service(running: dict[str, Any]) -> None:
    files = {entry["path"]: entry for entry in FILTERS["service_files"](of(running))}
    units = "/etc/systemd/system/blog-"
    assert set(files) == {
        "/etc/holdfast/services/blog.json",
        "/etc/holdfast/services/blog.env",
        "/etc/holdfast/secrets/blog/key",
        *(f"{units}{name}@.service" for name in ("web", "job", "clean", "run")),
        f"{units}clean@.timer",
    }
    secret = files["/etc/holdfast/secrets/blog/key"]
    assert (secret["mode"], secret["secret"]) == ("0600", True)
    plan = json.loads(files["/etc/holdfast/services/blog.json"]["content"])
    assert plan["parts"] == [
        {"role": "job", "port": None, "health": None},
        {"role": "web", "port": None, "health": "/healthz"},
    ]
    assert [unit["name"] for unit in FILTERS["service_units"](of(running))] == [
        "blog-job@0f1e2d3c4b5a.service",
        "blog-web@0f1e2d3c4b5a.service",
        "blog-clean@0f1e2d3c4b5a.timer",
    ]
    assert FILTERS["release_places"](of(running)) == [
        {"name": "blog", "source": "/builds/blog", "place": "/srv/blog/releases/0f1e2d3c4b5a"}
    ]


def set_blog(**values: Any) -> Callable[[Any], None]:
    return lambda raw: raw["services"][0].update(values)


def rename(name: str) -> Callable[[Any], None]:
    return set_blog(name=name)


JOB = {"exec": "bin/job"}
CASES: list[tuple[Callable[[Any], None], str, str, str]] = [
    (rename("alice"), "service alice", "name", "that person"),
    (rename("rescue"), "service rescue", "name", "that person"),
    (rename("sshd"), "service sshd", "name", "the system"),
    (rename("holdfast-x"), "service holdfast-x", "name", "the system"),
    (lambda raw: raw["services"][0].pop("release"), "service blog", "release", "path"),
    (set_blog(run={"run": JOB}), "service blog", "run.run", "one-off"),
    (set_blog(run={"clean": JOB}), "service blog", "schedule[clean].name", "service blog has"),
    (
        lambda raw: raw["services"].append({"name": "blog-web", "on": ["web"], **RUNNING, "run": {"x": JOB}}),
        "service blog-web",
        "secrets.key",
        "vault.services.blog-web.key",
    ),
    (
        lambda raw: raw["services"].append(
            {"name": "blog-a", "on": ["web"], "release": {"path": "x"}, "run": {"b": JOB}}
        ),
        "service blog-a",
        "run.b",
        "service blog has",
    ),
    (set_blog(env={"A": "b\rc"}), "service blog", "env.A", "without control characters"),
    (set_blog(env={"A": "b\n"}), "service blog", "env.A", "without control characters"),
    (set_blog(secrets=["absent"]), "service blog", "secrets.absent", "vault.services.blog.absent"),
    (set_blog(secrets=["pin"]), "service blog", "secrets.pin", "as text"),
    (set_blog(secrets=["none"]), "service blog", "secrets.none", "as text"),
    (
        set_blog(needs=[{"directive": "User=root", "reason": "easier"}]),
        "service blog",
        "needs[1].directive",
        "directive of the sandbox",
    ),
    (set_blog(run={"web": {"exec": "a ; +/bin/sh"}}), "service blog", "run.web.exec", "script of the release"),
    (set_blog(run={"web": {"exec": "a \\"}}), "service blog", "run.web.exec", "backslash"),
]


@pytest.mark.parametrize(("spoil", "entry", "where", "fix"), CASES, ids=[f"{case[1]} {case[2]}" for case in CASES])
def test_a_mistake_is_named(
    running: dict[str, Any], spoil: Callable[[Any], None], entry: str, where: str, fix: str
) -> None:
    running["services"][0]["run"]["a-b"] = JOB
    assert mistakes(running) == []
    spoil(running)
    assert [one for one in mistakes(running) if one[:2] == (entry, where) and fix in one[2]], mistakes(running)


def test_a_missing_release_is_a_mistake(running: dict[str, Any]) -> None:
    cat = FILTERS["catalogue"](running, SCHEMA)
    (found,) = FILTERS["service_mistakes"](cat, VALUES, {"blog": "dist: No such file or directory"})
    assert (found["level"], found["entry"], found["key"], found["value"]) == (
        "mistake",
        "service blog",
        "release.path",
        "dist: No such file or directory",
    )


def test_a_missing_release_is_a_warning_where_nothing_is_released(running: dict[str, Any]) -> None:
    cat = FILTERS["catalogue"](running, SCHEMA)
    (found,) = FILTERS["service_mistakes"](cat, VALUES, {"blog": "dist: No such file or directory"}, False)
    assert (found["level"], found["entry"], found["key"]) == ("warning", "service blog", "release.path")
    assert "this one places none" in found["fix"]
