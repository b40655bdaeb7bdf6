"""Whatever a file is called, it comes back, and what is said of it stays on its line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backing_up
import pytest
import restoring
from failures import BackupError

from .test_retention import made

if TYPE_CHECKING:
    from .conftest import Restic

# Their bytes, and what restic's JSON makes of them: it writes out none of the first three.
NAMES = {
    b"next\xc2\x85": "next\x85",
    b"delete\x7f": "delete\x7f",
    b"real\xef\xbf\xbd": "real\ufffd",
    b"line\n": "line\n",
    b"separator\xe2\x80\xa8": "separator\u2028",
    b"red\x1b[31m": "red\x1b[31m",
}
BAD = {b"bytes\xff": "bytes\ufffd", b"bytes\xfe": "bytes\ufffd"}


def said(path: str, names: dict[bytes, str]) -> str:
    """Return what restic lists of a folder with these files."""
    node = {"struct_type": "node", "uid": 0, "gid": 0}
    nodes = [{**node, "path": path, "type": "dir"}]
    nodes += [{**node, "path": f"{path}/{name}", "type": "file", "size": 1} for name in names.values()]
    snapshot = {"struct_type": "snapshot", "id": "1"}
    return (
        "\n".join(json.dumps(one, ensure_ascii=False).replace("\u2028", r"\u2028") for one in [snapshot, *nodes]) + "\n"
    )


def restored(restic: Restic, order: dict[str, Any], tmp_path: Path, there: dict[bytes, str]) -> None:
    """Restore a folder that held all these files, and let those of `there` be what restic brings back."""
    snapshot = {**json.loads(made(1))[0], "short_id": "1", "paths": ["/b"]}
    restic.answers |= {"snapshots": (0, json.dumps([snapshot]), ""), "ls": (0, said("/b", {**NAMES, **BAD}), "")}
    (tmp_path / "to/b").mkdir(parents=True)
    for name in there:
        Path(os.fsdecode(os.fsencode(tmp_path / "to/b") + b"/" + name)).write_text("x")
    restoring.restore(order, "/b", str(tmp_path / "to"), "latest", only_list=False)


@pytest.fixture(autouse=True)
def any_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test's own folder be one that is restored into."""
    monkeypatch.setattr(restoring, "look_at_target", lambda _: [])


def test_every_name_comes_back(
    restic: Restic, order: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restored(restic, order, tmp_path, {**NAMES, **BAD})
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].startswith("restored 9 entries, 8 bytes")
    assert lines[1] == "2 of them cannot be compared by name, which is not UTF-8; their number is right"
    assert [line.rpartition("/")[2] for line in lines[3:-1]] == [
        r"next\x85", r"delete\x7f", "real\ufffd", r"line\n", r"separator\u2028", r"red\x1b[31m",
    ]  # fmt: skip


def test_one_that_does_not_is_told_of(restic: Restic, order: dict[str, Any], tmp_path: Path) -> None:
    lost = {name: text for name, text in {**NAMES, **BAD}.items() if text != "line\n"}
    with pytest.raises(BackupError, match=r"did not come back:\n/b/line\\n$"):
        restored(restic, order, tmp_path, lost)


def test_of_those_that_have_no_name_the_number_counts(restic: Restic, order: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="of 9 entries 8 came back"):
        restored(restic, order, tmp_path, {**NAMES, b"bytes\xff": ""})


def test_no_json_is_no_traceback(restic: Restic, order: dict[str, Any]) -> None:
    restic.answers["snapshots"] = (0, "[{", "")
    with pytest.raises(BackupError, match=r"restic's answer is no JSON \(.*\): \[\{$"):
        restoring.restore(order, "/b", "/to", "latest", only_list=True)


def test_a_name_in_an_error_stays_on_its_line() -> None:
    told = json.dumps({"item": "/b/next\x85\x1b", "error": {"message": "no"}}, ensure_ascii=False)
    assert backing_up.unread(f"{told}\nelse\x1b\n") == [r"/b/next\x85\x1b: no", r"else\x1b"]


def test_a_single_file_comes_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert restoring.compare(f"{tmp_path}/file", str(tmp_path), ["/file"]) == [f"{tmp_path}/file"]
