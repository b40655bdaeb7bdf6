"""Releases: named by their content, and unpacked within their place."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from action_plugins.release_copy import packed
from action_plugins.release_ids import digest_of
from library.release_copy import unpack

if TYPE_CHECKING:
    from pathlib import Path


def tree(folder: Path) -> Path:
    """Return a release with a program, data and a link."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/serve").write_text("#!/bin/sh\n")
    (folder / "bin/serve").chmod(0o755)
    (folder / "data").write_text("text")
    (folder / "python").symlink_to("/usr/bin/python3")
    return folder


def test_the_name_follows_the_content_alone(tmp_path: Path) -> None:
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    os.utime(two / "data", (1, 1))
    first = digest_of(one)
    assert digest_of(two) == first
    (two / "data").chmod(0o755)
    assert digest_of(two) != first
    (two / "data").chmod(0o644)
    (two / "data").write_text("other")
    assert digest_of(two) != first
    (one / "empty").mkdir()
    assert digest_of(one) != first


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tree(tmp_path / "one") / "pipe")
    with pytest.raises(OSError, match="pipe is neither file"):
        digest_of(tmp_path / "one")


def test_packed_and_unpacked(tmp_path: Path) -> None:
    archive = packed(tree(tmp_path / "one"), str(tmp_path))
    unpack(str(archive), str(tmp_path / "out"), os.getgid())
    assert digest_of(tmp_path / "out") == digest_of(tmp_path / "one")
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if not path.is_symlink()}
    assert modes == {"bin": 0o750, "serve": 0o750, "data": 0o640}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../evil", tarfile.REGTYPE), ("/etc/evil", tarfile.REGTYPE), ("a/../../evil", tarfile.DIRTYPE), ("x", b"3")],
)
def test_what_lies_outside_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO())
    with pytest.raises(ValueError, match=r"outside|neither"):
        unpack(str(tmp_path / "bad.tar.gz"), str(tmp_path / "out"), os.getgid())
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    link = tarfile.TarInfo("door")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    through = tarfile.TarInfo("door/evil")
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        archive.addfile(link)
        archive.addfile(through, io.BytesIO())
    with pytest.raises(OSError, match="File exists"):
        unpack(str(tmp_path / "bad.tar.gz"), str(tmp_path / "out"), os.getgid())
    assert not (tmp_path / "evil").exists()
