"""Which CVE ids of the security tracker an upgrade fixes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import tracker
from installed_packages import Binary

FIXES = {"CVE-2026-2": "1.0-1+deb13u1", "CVE-2025-10000": "1.0-1+deb13u2", "CVE-2025-9999": "1.0-1+deb13u2"}


@pytest.mark.parametrize(
    ("installed", "candidate", "found"),
    [
        ("1.0-1", "1.0-1+deb13u2", ["CVE-2025-9999", "CVE-2025-10000", "CVE-2026-2"]),
        ("1.0-1", "1.0-1+deb13u1", ["CVE-2026-2"]),
        ("1.0-1+deb13u1", "1.0-1+deb13u2", ["CVE-2025-9999", "CVE-2025-10000"]),
        ("1.0-1+deb13u2", "1.0-1+deb13u3", []),
        ("1:0.1-1", "1:0.2-1", []),
        ("1.0~rc1-1", "1.0-1", []),
    ],
)
def test_open_before_and_not_after(installed: str, candidate: str, found: list[str]) -> None:
    assert tracker.fixed(tracker.Upgrade("sample", installed, candidate), FIXES) == found


def test_no_id_is_told_twice_by_steps() -> None:
    """Each id is fixed by one step of a chain of upgrades, and by the whole of it."""
    steps = ["1.0-1", "1.0-1+deb13u1", "1.0-1+deb13u2", "1.0-1+deb13u3"]
    by_steps = [cve for one, other in pairwise(steps) for cve in tracker.fixed(tracker.Upgrade("s", one, other), FIXES)]
    assert sorted(by_steps) == sorted(tracker.fixed(tracker.Upgrade("s", steps[0], steps[-1]), FIXES))


def test_lines() -> None:
    asked = {
        "upgrades": [{"source": name, "installed": "1", "candidate": "2"} for name in ("a", "b", "c")],
        "fixes": {"a": {"CVE-2026-1111": "2"}, "b": {"CVE-2026-2222": "3"}},
    }
    assert tracker.lines(asked) == ["a 1 -> 2: CVE-2026-1111", "b 1 -> 2: no CVE id", "c 1 -> 2: unknown to it"]


def test_the_source_as_the_tracker_knows_it() -> None:
    """A rebuilt package has another version than its source; the signed kernel has another source, and version."""
    rebuilt = Binary("libz1", "zlib", "1:1.3-1+b2", "1:1.3-1")
    assert tracker.upgrade_of("zlib", rebuilt, "1:1.3-2", "1:1.3-2+b1") == tracker.Upgrade("zlib", "1:1.3-1", "1:1.3-2")
    kernel = Binary("linux-image-amd64", "linux-signed-amd64", "6.1.176-1", "6.1.176+1")
    found = tracker.upgrade_of("linux-signed-amd64", kernel, "6.1.192+3", "6.1.192-3")
    assert found == tracker.Upgrade("linux", "6.1.176-1", "6.1.192-3")
