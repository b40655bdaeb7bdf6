"""Releases: named by their content, and unpacked within their place."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleActionFail

from action_plugins.release_copy import packed
from action_plugins.release_ids import digest_of, look
from library.release_copy import arrive, digest_of_content, unpack

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


def odd_tree(folder: Path) -> Path:
    """Return a release with what a digest or an archive could read in two ways."""
    tree(folder)
    (folder / "here").symlink_to("./data")
    (folder / "bin-link").symlink_to("bin/")
    (folder / "twice").hardlink_to(folder / "bin/serve")
    (folder / "empty").mkdir()
    (folder / "été\n").write_text("")
    (folder / os.fsdecode(b"latin-\xe9")).write_text("x")
    (folder / ("deep" * 40)).mkdir()
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


def test_what_arrives_has_the_digest_that_the_name_was_made_of(tmp_path: Path) -> None:
    source = odd_tree(tmp_path / "one")
    assert digest_of_content(source) == digest_of(source)
    arrive(str(packed(source, str(tmp_path))), str(tmp_path / "out"), "content", digest_of(source)[:12], os.getgid())
    assert digest_of(tmp_path / "out") == digest_of(source)


def test_a_link_to_a_release_is_the_release(tmp_path: Path) -> None:
    tree(tmp_path / "builds/42")
    (tmp_path / "current").symlink_to("builds/42")
    ident = digest_of(tmp_path / "builds/42")[:12]
    assert digest_of(tmp_path / "current")[:12] == ident
    arrive(str(packed(tmp_path / "current", str(tmp_path))), str(tmp_path / "out"), "content", ident, os.getgid())
    assert (tmp_path / "out/data").read_text() == "text"


def test_a_link_is_followed_when_it_is_named(tmp_path: Path) -> None:
    """It may lead to the next build by the time that the release is packed."""
    tree(tmp_path / "builds/42")
    (tmp_path / "current").symlink_to("builds/42")
    found, _ = look([{"name": "blog", "release": {"path": "current"}}], str(tmp_path))
    assert found["blog"] == {"id": digest_of(tmp_path / "builds/42")[:12], "path": str(tmp_path / "builds/42")}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.REGTYPE])
def test_a_release_is_a_directory(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo(".")
    member.type, member.linkname = kind, "/srv"
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO())
    with pytest.raises(ValueError, match="no directory"):
        unpack(str(tmp_path / "bad.tar.gz"), str(tmp_path / "out"), os.getgid())


@pytest.mark.parametrize("named_by", ["content", "archive"])
def test_what_changed_since_it_was_named_is_refused(tmp_path: Path, named_by: str) -> None:
    source = tree(tmp_path / "one")
    if named_by == "archive":
        source = packed(source, str(tmp_path))
    ident = digest_of(source)[:12]
    if named_by == "archive":
        source.write_bytes(source.read_bytes() + b"\0")
    else:
        (source / "data").write_text("half of it")
    with pytest.raises(
        ValueError, match=f"changed since the run began, from {ident} to {digest_of(source)[:12]}; .*run again"
    ):
        arrive(str(packed(source, str(tmp_path))), str(tmp_path / "out"), named_by, ident, os.getgid())


def test_what_is_gone_when_it_is_packed_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=r"/dist cannot be packed: .*run again"):
        packed(tmp_path / "dist", str(tmp_path))


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
