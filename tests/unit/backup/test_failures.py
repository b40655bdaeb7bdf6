"""No failure of the program is a traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import command_line
import locations
import pytest

if TYPE_CHECKING:
    import subprocess

    from .conftest import Restic


def run(monkeypatch: pytest.MonkeyPatch, verb: str) -> int:
    monkeypatch.setattr("sys.argv", ["backup", verb])
    return int(command_line.main())


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)


def test_a_full_disk_is_told_of(
    restic: Restic,
    order: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    restic.backs_up()
    assert run(monkeypatch, "backup") == 0
    before = Path(locations.STATE, "last.json").read_text()
    fill_the_disk(monkeypatch)
    assert run(monkeypatch, "backup") == 1
    assert f"{locations.STATE}/last.json could not be written: No space left on device" in capsys.readouterr().err
    assert Path(locations.STATE, "last.json").read_text() == before


def test_so_it_is_where_the_key_is_made(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_the_disk(monkeypatch)
    assert run(monkeypatch, "key") == 1
    said = capsys.readouterr().err
    assert said == f"{locations.SECRETS}/id_ed25519 could not be made: No space left on device\n"
    assert not Path(locations.SECRETS, "id_ed25519").exists()


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("STATE/repository.json", '{"url": "/b', "cannot be read: Unterminated string"),
        ("FOLDER/orders.json", "", "cannot be read: Expecting value"),
        ("FOLDER/orders.json", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_of(
    restic: Restic,
    order: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str | None,
    says: str,
) -> None:
    folder, _, name = file.partition("/")
    path = Path(getattr(locations, folder), name)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert run(monkeypatch, "backup") == 1
    assert f"{path} {says}" in capsys.readouterr().err


def test_a_missing_restic_is_told_of(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])

    monkeypatch.setattr("subprocess.run", absent)
    assert run(monkeypatch, "check") == 1
    assert capsys.readouterr().err == "restic: No such file or directory\n"
