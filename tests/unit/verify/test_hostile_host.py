"""One host that lies spoils its own verdict at most: all others are judged, and no old page stands for a new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.unit.verify.test_report import EMPTY, ROOT, suite
from verify.__main__ import main
from verify.backend import SudoSshBackend
from verify.conftest import _reach
from verify.remote_call import RemoteError, answer_of
from verify.report import FILES, Check, Report
from verify.target import Target

BAD = "\udcff\x00\x1b[2J\x9b\ufffe"


def target(answer: Any, name: str = "web1") -> Target:
    """Return a host whose programs answer with that."""
    expected = SimpleNamespace(
        name=name, services=[], port=22, kernel={}, resolvers=[], ssh_users=["alice"], host={"address": "192.0.2.1"},
        catalogue=SimpleNamespace(data={"people": []}),
    )  # fmt: skip
    outside = SimpleNamespace(ssh={"user": "alice"}, prefix="")
    backend = SimpleNamespace(call=lambda _program, _params: answer)
    return Target(expected, backend, outside)  # type: ignore[arg-type]


def report(folder: Path, found: Target, detail: str = "") -> Report:
    """Return a report with one broken check on that host."""
    catalogue = SimpleNamespace(digest="ab" * 32, data={})
    check = Check(host="web1", promise="one", title="One", name="one", says="One", outcome="failed", detail=detail)
    return Report(folder, catalogue, {"web1": found}, {"x": check})  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [[], "x", 7, None, True])
def test_an_answer_that_is_none_is_an_error_of_that_host(tmp_path: Path, answer: Any) -> None:
    found = target(answer)
    for ask in (found.inside, found.inside, found.services):
        with pytest.raises(RemoteError):
            ask()
    assert "could not be examined" in found.problem
    report(tmp_path, found).write()


@pytest.mark.parametrize("release", [[], "Debian", None, {"PRETTY_NAME": [1]}, {"PRETTY_NAME": BAD}, {}])
def test_whatever_a_host_calls_its_system_the_report_is_written(tmp_path: Path, release: Any) -> None:
    found = target({"release": release})
    found.inside()
    found.note(BAD)
    folder = tmp_path / "deep" / "report"
    report(folder, found, detail=f"found {BAD}").write()
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert data["hosts"][0]["promises"][0]["checks"][0]["detail"].isprintable()
    ElementTree.fromstring((folder / "junit.xml").read_text(encoding="utf-8"))  # our own text
    assert "[2J" in (folder / "index.html").read_text(encoding="utf-8")
    assert "\x1b" not in (folder / "index.html").read_text(encoding="utf-8")


def test_a_report_is_for_whoever_asked_for_it(tmp_path: Path) -> None:
    """It lists what is weak on every host. A folder that was there is somebody's, and stays as it is."""
    before = os.umask(0o022)
    try:
        report(tmp_path / "new", target({})).write()
        (tmp_path / "old").mkdir(mode=0o755)
        (tmp_path / "old/index.html").write_text("all kept")
        report(tmp_path / "old", target({})).write()
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o755
    for folder in ("new", "old"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == sorted(FILES)
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / folder).iterdir()} == {0o600}


def test_a_run_that_ends_early_leaves_no_old_page(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    for name in (*FILES, "mine.txt"):
        (folder / name).write_text("all kept")
    hosts = {**EMPTY, "hosts": {"web1": {}}}
    assert suite(tmp_path, hosts, "verify/test_guard.py", "--collect-only").returncode == 0
    assert len(list(folder.iterdir())) == 4
    assert suite(tmp_path, hosts, "verify/test_guard.py", "--host", "web2").returncode != 0
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_failure_of_any_kind_keeps_no_other_host_from_being_asked() -> None:
    def call(_program: str, _params: Any) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")

    found = target({})
    found.backend.call = call  # type: ignore[assignment,method-assign]
    _reach(found)


def test_bytes_that_are_no_text_are_read_all_the_same() -> None:
    backend = SudoSshBackend("web1", "/dev/null", "/nonexistent/c", None)
    assert backend.decode(b"\xffx") == "\ufffdx"


def test_an_answer_without_a_bottom_is_an_error_of_that_host() -> None:
    with pytest.raises(RemoteError, match="no answer"):
        answer_of("inside", 0, "[" * 100_000, "")


def test_a_crash_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """1 says that a promise is broken, which an audit takes for an answer."""

    def crash(_arguments: list[str]) -> int:
        raise ValueError("boom")

    monkeypatch.setattr(pytest, "main", crash)
    assert main([]) == pytest.ExitCode.INTERNAL_ERROR
    assert "boom" in capsys.readouterr().err


def test_a_reason_that_no_argument_can_hold_ends_no_run(tmp_path: Path) -> None:
    """The playbook's own way: web1 said something before it refused the login, and web2 is judged all the same."""
    catalogue = {**EMPTY, "hosts": {name: {"address": "127.0.0.1"} for name in ("web1", "web2", "web3")}}
    (tmp_path / "resolved.json").write_text(json.dumps(catalogue))
    (tmp_path / "ssh_config").write_text("Host *\n  HostName 127.0.0.1\n  Port 1\n  BatchMode yes\n")
    reasons = {"web1": "no\x00 login\x1b[2J " + "x" * 200_000, "web2": "", "web3": "--host"}
    options = ("catalogue=resolved.json", "ssh-config=ssh_config", "report=report")
    arguments = [
        "verify/test_guard.py",
        *(f"--{name}={tmp_path}/{path}" for name, path in (o.split("=") for o in options)),
    ]
    tasks = [
        {"verify_suite": {"hosts": [*reasons], "shut_out": reasons, "arguments": arguments}, "register": "done"},
        {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": f"{tmp_path}/done"}},
    ]
    play = {"hosts": "web1", "connection": "local", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "web1,web2,web3,", str(tmp_path / "play.yml")],
        cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )  # fmt: skip
    done = json.loads((tmp_path / "done").read_text())
    assert done["exit_code"] == 1, done
    problems = {
        host["name"]: host["problem"] for host in json.loads((tmp_path / "report/results.json").read_text())["hosts"]
    }
    assert problems["web1"].startswith("could not be examined: no login [2J xxx")
    assert len(problems["web1"]) < 1100
    assert "cannot be entered" in problems["web2"]
    assert problems["web3"] == "could not be examined: host"
