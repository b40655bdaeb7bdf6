"""The bounds of people's numbers: the guard, the survey of a host and the verification read them as useradd does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import login_defs
import pytest
from host import GuardError

from library.host_survey import human_uids
from verify.remote.inside import login_number

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where login.defs is read."""
    monkeypatch.setattr(login_defs, "PATH", str(tmp_path / "login.defs"))
    return tmp_path / "login.defs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1000, 60000)),
        ("UID_MIN 500\nUID_MAX 70000", (500, 70000)),
        ("#UID_MIN 1\nSYS_UID_MIN 100\n \tUID_MIN\t\t 500 \t\nUID_MAX 70000 \nSUB_UID_MAX 600100000\n", (500, 70000)),
        ("UID_MIN 0x3e8\r\nUID_MAX 0XEA60\n", (1000, 60000)),
        ("UID_MIN 01000\nUID_MAX 0165140\n", (512, 60000)),
        ('UID_MIN "500"\nUID_MAX  " 70000" # words\n', (500, 70000)),
        ('UID_MIN "500\nUID_MAX +70000\n', (500, 70000)),
        ("UID_MIN 500\nUID_MIN 600\nUID_MAX 70000\nUID_MAX many\n", (600, 60000)),
        ("UID_MIN 500\nUID_MIN \nUID_MAX\n70000\n", (500, 60000)),
        ("UID_MIN 500 # words\nUID_MAX 70_000\n", (1000, 60000)),
        ('UID_MIN ""\nUID_MAX "70000 "\n', (1000, 60000)),
        ("UID_MIN 0x\nUID_MAX 09\n", (1000, 60000)),
        ("UID_MIN 0o17\nUID_MAX 1e5\n", (1000, 60000)),
        (f"UID_MIN \u0661\nUID_MAX {'9' * 5000}\n", (1000, 60000)),
        ("UID_MIN=500\nuid_max 70000\n", (1000, 60000)),
        ("UID_MIN 0\n", (0, 60000)),
    ],
)
def test_numbers_are_read_as_useradd_reads_them(file: Path, text: str, expected: tuple[int, int]) -> None:
    """And by all three alike: what the guard closes is what the survey names before, and the verification looks at."""
    file.write_text(text)
    assert login_defs.human_uids() == range(expected[0], expected[1] + 1)
    assert human_uids(text) == range(expected[0], expected[1] + 1)
    assert (login_number(text, "UID_MIN", 1000), login_number(text, "UID_MAX", 60000)) == expected


def test_a_link_is_followed(file: Path, tmp_path: Path) -> None:
    file.symlink_to("elsewhere")
    assert login_defs.human_uids() == range(1000, 60001), "useradd has its defaults, too, where it leads to nothing"
    (tmp_path / "elsewhere").write_text("UID_MIN 500\n")
    assert login_defs.human_uids() == range(500, 60001)


def test_but_not_to_what_is_no_file_of_roots(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has the file would say whose accounts are closed."""
    file.symlink_to("elsewhere")
    os.mkfifo(tmp_path / "elsewhere")
    with pytest.raises(GuardError, match=r"elsewhere, read as .*login.defs, is no file of root's"):
        login_defs.human_uids()
    (tmp_path / "elsewhere").unlink()
    (tmp_path / "elsewhere").write_text("UID_MIN 65000\n")
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(GuardError, match="is no file of root's"):
        login_defs.human_uids()
