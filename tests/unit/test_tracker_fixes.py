"""What is taken of the security tracker's data, and what is said of a file that holds none."""

from __future__ import annotations

import datetime
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from lookup_plugins.tracker_fixes import fixes
from tests.unit.filters.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def resolved(version: Any) -> dict[str, Any]:
    return {"releases": {"trixie": {"status": "resolved", "fixed_version": version}}}


def test_versions_of_one_release() -> None:
    entries = {"CVE-2026-1111": resolved("1:1.0~rc1-1+deb13u1"), "CVE-2026-2222": resolved("2")}
    assert fixes(entries, "trixie") == {"CVE-2026-1111": "1:1.0~rc1-1+deb13u1", "CVE-2026-2222": "2"}
    assert fixes(entries, "bookworm") == {}


@pytest.mark.parametrize(
    "entry",
    [
        resolved("0"),
        resolved("--help"),
        resolved("1 2"),
        resolved("{{ 1 }}"),
        resolved(1),
        {"releases": {"trixie": {"status": "open"}}},
        {"releases": {"trixie": "resolved"}},
        {"releases": []},
        {},
        None,
    ],
)
def test_no_version(entry: Any) -> None:
    assert fixes({"CVE-2026-1111": entry}, "trixie") == {}


def test_no_cve_id() -> None:
    assert fixes({"TEMP-0000000-AAAAAA": resolved("1"), "CVE-2026-1": resolved("1")}, "trixie") == {}
    assert fixes([], "trixie") == {}


def looked_up(path: Path, **options: Any) -> Any:
    lookup_loader.add_directory(str(ROOT / "lookup_plugins"))
    return lookup_loader.get("tracker_fixes").run([str(path)], {}, **options)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tracker.json"
    path.write_text(json.dumps({"a": {"CVE-2026-1111": resolved("2")}, "b": {"CVE-2026-2222": resolved("3")}}))
    noon = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC).timestamp()
    os.utime(path, (noon, noon))
    found = looked_up(path, release="trixie", sources=["a", "unknown"])
    assert found == [{"as_of": "2026-11-24", "fixes": {"a": {"CVE-2026-1111": "2"}}}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory. Save https://security-tracker.debian.org/"),
        ("<html>", "is no JSON"),
        ("[]", "is not the security tracker's data"),
        ('{"a": {"b": {}}}', "is not the security tracker's data"),
    ],
)
def test_what_is_no_data(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "tracker.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AnsibleError, match=r"tracker=.*tracker\.json") as caught:
        looked_up(path)
    assert said in str(caught.value)
