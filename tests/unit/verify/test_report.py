"""The suite reports every outcome, and proves nothing by doing nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from verify.page import page
from verify.report import junit

ROOT = Path(__file__).parents[3]

DATA: dict[str, Any] = {
    "date": "2026-11-24T01:00:00+00:00",
    "duration": 25.0,
    "catalogue": "ab" * 32,
    "operator": "alice",
    "outsider": True,
    "summary": {"passed": 1, "failed": 1, "not applicable": 1},
    "problems": [],
    "hosts": [
        {
            "name": "web1",
            "address": "203.0.113.1",
            "release": "Debian",
            "notes": ["a <note>"],
            "examined": True,
            "problem": "",
            "summary": {"passed": 1, "failed": 1, "not applicable": 1},
            "promises": [
                {
                    "promise": promise,
                    "title": f"Promise {promise}",
                    "outcome": outcome,
                    "duration": 1.0,
                    "checks": [
                        {"name": "check", "says": "A check", "outcome": outcome, "detail": detail, "duration": 1.0}
                    ],
                }
                for promise, outcome, detail in (
                    ("one", "passed", ""),
                    ("two", "failed", "found <script> & \x1b[31mred"),
                    ("three", "not applicable", "no UDP"),
                )
            ],
        }
    ],
}


def test_page_stands_alone_and_escapes() -> None:
    text = page(DATA)
    assert "<script" not in text
    assert "found &lt;script&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "1 of 2 promises are broken" in text
    assert "no UDP" in text
    assert text.index("Promise two") < text.index("Promise one")


def test_page_says_once_why_a_host_was_not_examined() -> None:
    gone = {**DATA["hosts"][0], "name": "gone", "examined": False, "problem": "could not be examined: no route"}
    data = {**DATA, "hosts": [*DATA["hosts"], gone], "problems": ["gone could not be examined: no route"]}
    text = page({**data, "summary": {"passed": 2, "failed": 2, "not applicable": 2}})
    assert "1 of 2 promises are broken" in text
    assert text.count("Promise two") == 1
    assert text.count("no route") == 2  # at the top, and where the host is
    assert '<a href="#host-gone">gone</a>: not examined' in text
    alone = page({**data, "hosts": [gone]})
    assert "The verification is incomplete" in alone
    assert "Promise" not in alone


def test_junit_is_xml() -> None:
    root = ElementTree.fromstring(junit(DATA))  # our own text
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")


def suite(tmp_path: Path, data: Any, *more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "resolved.json").write_text(json.dumps(data))
    (tmp_path / "ssh_config").write_text("Host *\n  HostName 127.0.0.1\n  Port 1\n  BatchMode yes\n")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "--tb=no",
            f"--catalogue={tmp_path}/resolved.json",
            f"--ssh-config={tmp_path}/ssh_config",
            f"--report={tmp_path}/report",
            *more,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


EMPTY: dict[str, Any] = {"people": [], "services": [], "policy": {}, "hosts": {}}


def test_no_host_is_an_error(tmp_path: Path) -> None:
    done = suite(tmp_path, EMPTY, "verify/test_passwords.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no host to verify" in done.stderr


def test_unknown_host_is_an_error(tmp_path: Path) -> None:
    done = suite(tmp_path, {**EMPTY, "hosts": {"web1": {}}}, "verify/test_passwords.py", "--host", "web2")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not in the inventory: web2" in done.stderr


def test_a_host_that_is_known_to_be_shut_is_not_tried(tmp_path: Path) -> None:
    hosts = {"web1": {"address": "127.0.0.1"}}
    done = suite(tmp_path, {**EMPTY, "hosts": hosts}, "verify/test_guard.py", "--shut-out", "web1", "it sleeps")
    assert done.returncode == 1
    assert "problem: web1 could not be examined: it sleeps" in done.stdout
    assert "broken:" not in done.stdout


def test_no_promise_is_a_failure(tmp_path: Path) -> None:
    done = suite(tmp_path, {**EMPTY, "hosts": {"web1": {}}}, "verify/test_passwords.py", "-k", "nothing")
    assert done.returncode != 0


def test_a_host_that_does_not_answer_keeps_no_promise(tmp_path: Path) -> None:
    done = suite(
        tmp_path,
        {**EMPTY, "hosts": {"web1": {"address": "127.0.0.1"}}},
        "verify/test_passwords.py",
        "verify/test_guard.py",
    )
    assert done.returncode == 1
    data = json.loads((tmp_path / "report/results.json").read_text())
    assert data["summary"] == {"passed": 0, "failed": 2, "not applicable": 0}
    assert "could not be examined" in data["hosts"][0]["promises"][0]["checks"][0]["detail"]
    assert [data["hosts"][0]["problem"]] == [one.removeprefix("web1 ") for one in data["problems"]]
    assert (tmp_path / "report/index.html").is_file()
    assert (tmp_path / "report/junit.xml").is_file()
