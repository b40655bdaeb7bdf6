"""Collect the outcome of every check and write the report: JSON, JUnit and one page for people."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import pytest

from verify.outcome import NotApplicable
from verify.page import page

if TYPE_CHECKING:
    from collections.abc import Generator

    from verify.expected import Catalogue
    from verify.target import Target

PASSED: Final = "passed"
FAILED: Final = "failed"
NOT_APPLICABLE: Final = "not applicable"
FILES: Final = ("results.json", "junit.xml", "index.html")


@dataclass
class Check:
    """One check on one host."""

    host: str
    promise: str
    title: str
    """The promise as a manager reads it."""
    name: str
    says: str
    outcome: str = ""
    detail: str = ""
    duration: float = 0.0


@dataclass
class Report:
    """The plugin that pytest tells about every check."""

    folder: Path
    catalogue: Catalogue
    targets: dict[str, Target]
    checks: dict[str, Check] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    problems: list[str] = field(default_factory=list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Enter every check before it runs, so that one that never ran is seen."""
        for item in session.items:
            module = inspect.getmodule(getattr(item, "obj", None))
            callspec = getattr(item, "callspec", None)
            host = callspec.params.get("target", "") if callspec else ""
            name = item.nodeid.rpartition("::")[2].partition("[")[0]
            self.checks[item.nodeid] = Check(
                host=host,
                promise=item.path.stem.removeprefix("test_"),
                title=first_line(module) or item.path.stem,
                name=name.removeprefix("test_"),
                says=first_line(getattr(item, "obj", None)) or name,
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[None],
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take the outcome; a check that was skipped for any other reason than 'not applicable' has failed."""
        result = yield
        check = self.checks[item.nodeid]
        check.duration += call.duration
        if call.excinfo is not None and not call.excinfo.errisinstance(NotApplicable):
            if result.outcome == "skipped":
                result.outcome = "failed"
                result.longrepr = f"skipped without being declared not applicable: {call.excinfo.value}"
            check.outcome = FAILED
            check.detail = detail_of(call.excinfo, result)
        elif call.excinfo is not None and not check.outcome:
            check.outcome = NOT_APPLICABLE
            check.detail = str(call.excinfo.value)
        elif call.when == "call" and not check.outcome:
            check.outcome = PASSED
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report; a session that proved nothing has failed."""
        if session.config.option.collectonly:
            return
        proved = [one for one in self.checks.values() if one.outcome]
        if not proved:
            self.problems.append("no promise was checked")
        silent = set(self.targets) - {one.host for one in proved}
        self.problems += [f"no promise was checked on {name}" for name in sorted(silent)]
        missing = [one for one in self.checks.values() if not one.outcome]
        self.problems += [f"{one.host}: {one.name} did not run" for one in missing]
        self.problems += [f"{name} {target.problem}" for name, target in self.targets.items() if target.problem]
        if self.problems and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.write()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say the result in a few lines."""
        data = self.data()
        write = terminalreporter.write_line
        write("")
        for host in data["hosts"]:
            count = host["summary"]
            if not host["examined"]:
                continue
            write(
                f"{host['name']}: {count[PASSED]} promises kept, {count[FAILED]} broken, "
                f"{count[NOT_APPLICABLE]} not applicable"
            )
            for promise in host["promises"]:
                if promise["outcome"] == FAILED and not host["problem"]:
                    write(f"  broken: {promise['title']}")
        for problem in data["problems"]:
            write(f"  problem: {' '.join(problem.split())}")
        write(f"report: {self.folder / 'index.html'}")

    def data(self) -> dict[str, Any]:
        """Everything, host by host and promise by promise, with nothing in it that moves a cursor or breaks a file."""
        found: dict[str, Any] = cleaned(self._data())
        return found

    def _data(self) -> dict[str, Any]:
        hosts: list[dict[str, Any]] = []
        for name, target in self.targets.items():
            promises: dict[str, dict[str, Any]] = {}
            for check in self.checks.values():
                if check.host != name:
                    continue
                empty: dict[str, Any] = {"promise": check.promise, "title": check.title, "checks": []}
                entry = promises.setdefault(check.promise, empty)
                shown = asdict(check)
                for key in ("host", "promise", "title"):
                    del shown[key]
                entry["checks"].append({**shown, "duration": round(check.duration, 3)})
            for entry in promises.values():
                outcomes = [one["outcome"] for one in entry["checks"]]
                entry["outcome"] = (
                    FAILED if FAILED in outcomes or "" in outcomes else PASSED if PASSED in outcomes else NOT_APPLICABLE
                )
                entry["duration"] = round(sum(one["duration"] for one in entry["checks"]), 3)
            outcomes = [entry["outcome"] for entry in promises.values()]
            hosts.append(
                {
                    "name": name,
                    "address": str(target.expected.host.get("address") or ""),
                    "release": target.release,
                    "examined": not target.unreachable,
                    "problem": target.problem,
                    "summary": {key: outcomes.count(key) for key in (PASSED, FAILED, NOT_APPLICABLE)},
                    "notes": target.notes,
                    "promises": list(promises.values()),
                }
            )
        return {
            "date": dt.datetime.fromtimestamp(self.began, dt.UTC).isoformat(timespec="seconds"),
            "duration": round(time.time() - self.began, 1),
            "catalogue": self.catalogue.digest,
            "operator": str(self.catalogue.data.get("operator") or ""),
            "outsider": bool(self.targets and next(iter(self.targets.values())).outside.prefix),
            "summary": {key: sum(host["summary"][key] for host in hosts) for key in (PASSED, FAILED, NOT_APPLICABLE)},
            "problems": self.problems,
            "hosts": hosts,
        }

    def write(self) -> None:
        """Write the three files, each by a rename so that a reader never sees half of one.

        They list what is weak on every host, so they are the reader's alone until somebody shares them.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        data = self.data()
        texts = (json.dumps(data, indent=2) + "\n", junit(data), page(data))
        for name, text in zip(FILES, texts, strict=True):
            handle, draft = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")  # with mode 0600
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(text)
            Path(draft).replace(self.folder / name)


def remove_old(folder: Path) -> None:
    """Remove the report of another run."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)


def cleaned(value: Any) -> Any:
    """Return data with each text in it made printable: much of it is the word of hosts."""
    if isinstance(value, dict):
        return {cleaned(key): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value


def first_line(thing: object) -> str:
    """First line of a docstring, without its full stop."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".")


def detail_of(excinfo: pytest.ExceptionInfo[BaseException], result: pytest.TestReport) -> str:
    """What a reader needs of a failure: the message, not the stack, when the message was written for them."""
    if excinfo.errisinstance((pytest.fail.Exception, RuntimeError)):
        return str(excinfo.value)
    if excinfo.errisinstance(AssertionError):
        # What the check says, without pytest's explanation of how it compared.
        return str(excinfo.value).partition("\nassert ")[0][:3000] or str(result.longrepr)[-3000:]
    return excinfo.exconly()


def junit(data: dict[str, Any]) -> str:
    """The same as JUnit XML: one suite a host, one case a check."""
    root = ElementTree.Element("testsuites")
    for host in data["hosts"]:
        checks = [(promise, check) for promise in host["promises"] for check in promise["checks"]]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "name": host["name"],
                "tests": str(len(checks)),
                "timestamp": data["date"],
                "failures": str(sum(check["outcome"] == FAILED for _, check in checks)),
                "skipped": str(sum(check["outcome"] == NOT_APPLICABLE for _, check in checks)),
                "time": str(round(sum(check["duration"] for _, check in checks), 3)),
            },
        )
        for promise, check in checks:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                {
                    "classname": f"{host['name']}.{promise['promise']}",
                    "name": check["says"],
                    "time": str(check["duration"]),
                },
            )
            if check["outcome"] == FAILED:
                ElementTree.SubElement(case, "failure", {"message": printable(check["detail"][:200])}).text = printable(
                    check["detail"]
                )
            elif check["outcome"] == NOT_APPLICABLE:
                ElementTree.SubElement(case, "skipped", {"message": printable(check["detail"])})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def printable(text: str) -> str:
    """Text without what moves a terminal's cursor, what XML forbids, or what no file can hold (half a surrogate)."""
    return "".join(letter if letter in "\t\n" or letter.isprintable() else "\ufffd" for letter in text)
