"""What is backed up is reached without a link, and what is restored is written where nobody else can lay one."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import holding
import locations
import mounts
import pytest
import restoring
import sources
from failures import BackupError


def shared(tmp_path: Path) -> Path:
    """Make a service's folder with two declared paths, a folder and a file, and what is none of its own."""
    folder = tmp_path / "shared"
    (folder / "data/deep").mkdir(parents=True)
    (folder / "data/deep/file").write_text("mine")
    (tmp_path / "etc/deep").mkdir(parents=True)
    (tmp_path / "etc/deep/file").write_text("not mine")
    return folder


def replaced(path: Path, leads_to: Path) -> None:
    """Put a link into the place of something."""
    path.rename(f"{path}.aside")
    path.symlink_to(leads_to)


def test_what_is_opened_is_what_is_there(tmp_path: Path) -> None:
    folder = shared(tmp_path)
    for path in (folder, folder / "data/deep", folder / "data/deep/file"):
        handle = holding.opened(str(path))
        assert os.fstat(handle).st_ino == path.stat().st_ino
        os.close(handle)


@pytest.mark.parametrize("link", ["data", "data/deep", "data/deep/file"])
def test_no_part_of_a_path_may_be_a_link(tmp_path: Path, link: str) -> None:
    folder = shared(tmp_path)
    replaced(folder / link, tmp_path / link.replace("data", "etc"))
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(BackupError) as raised:
        holding.opened(str(folder / "data/deep/file"))
    assert f"{folder / link} is a link. Put the folder itself there" in str(raised.value)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_what_holds_no_content_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupError, match="pipe is neither file nor folder"):
        holding.opened(str(tmp_path / "pipe"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match="file is neither file nor folder"):
        holding.opened(str(tmp_path / "file/below"))
    with pytest.raises(FileNotFoundError):
        holding.opened(str(tmp_path / "nothing"))


def test_each_source_is_held_and_what_is_wrong_is_written_down(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, calls, mounted = shared(tmp_path), [], {}

    def call(name: str, *arguments: Any) -> int:
        calls.append((name, *arguments))
        if name == "umount2":
            raise OSError(errno.EINVAL, "not mounted")
        return 0

    def mount_opened(handle: int, place: str) -> None:
        mounted[place] = os.fstat(handle).st_ino

    monkeypatch.setattr(mounts, "call", call)
    monkeypatch.setattr(mounts, "mount_opened", mount_opened)
    (Path(locations.HELD) / "left").mkdir()
    replaced(folder / "data/deep/file", tmp_path / "etc/deep/file")
    order["sources"] = [
        str(folder / name) for name in ("data", "data/deep", "data-other", "data.aside", "data/deep/file")
    ]
    (folder / "data-other").mkdir()
    holding.hold(order)
    assert mounted == {
        holding.place_of(str(folder / name)): (folder / name).stat().st_ino for name in ("data", "data-other")
    }
    refused = json.loads(Path(locations.REFUSED).read_text())
    assert refused == {str(folder / "data.aside"): "cannot be read: No such file or directory"}
    assert [path.name for path in Path(locations.HELD).iterdir()] == ["refused.json"]
    assert [words[0] for words in calls] == ["umount2", "mount", "mount", "mount"]

    monkeypatch.setattr(sources, "holds_something", lambda _: True)
    with pytest.raises(BackupError, match=r"data\.aside cannot be read: No such file or directory"):
        sources.look_at_sources(order)


def test_what_is_not_mounted_so_that_no_link_is_followed_is_no_backup(
    order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.look_at_sources(order)
    monkeypatch.setattr(mounts, "follows_links", lambda _: True)
    with pytest.raises(BackupError, match="links in it would be followed"):
        sources.look_at_sources(order)
    Path(locations.REFUSED).unlink()
    with pytest.raises(BackupError, match=r"refused\.json cannot be read"):
        sources.look_at_sources(order)


# --- where a restore writes -----------------------------------------------------------------------------------------

# Mode and owner of what is there; what has no entry is missing.
ROOTS, STICKY = (stat.S_IFDIR | 0o755, 0), (stat.S_IFDIR | 0o1777, 0)
PLACES = {
    "/": ROOTS,
    "/var": ROOTS,
    "/var/empty": ROOTS,
    "/var/group": (stat.S_IFDIR | 0o775, 0),
    "/var/all": STICKY,
    "/tmp": STICKY,
    "/tmp/roots": ROOTS,
    "/tmp/mine": (stat.S_IFDIR | 0o700, 1000),
    "/srv": ROOTS,
    "/srv/shared": (stat.S_IFDIR | 0o750, 997),
    "/srv/link": (stat.S_IFLNK | 0o777, 0),
    "/srv/file": (stat.S_IFREG | 0o600, 0),
}


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these be what is there, and empty."""

    def lstat(path: str) -> os.stat_result:
        if path not in PLACES:
            raise FileNotFoundError(errno.ENOENT, "nothing", path)
        mode, owner = PLACES[path]
        return os.stat_result((mode, 0, 0, 0, owner, 0, 0, 0, 0, 0))

    monkeypatch.setattr("os.lstat", lstat)
    monkeypatch.setattr("os.path.lexists", PLACES.__contains__)
    monkeypatch.setattr("os.listdir", lambda _: [])


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("to", "made"),
    [
        ("/var/empty", []),
        ("/var/new", ["/var/new"]),
        ("/var/new/er", ["/var/new", "/var/new/er"]),
        ("/tmp/new", ["/tmp/new"]),
        ("/tmp/new/er", ["/tmp/new", "/tmp/new/er"]),
    ],
)
def test_roots_own_place_is_taken(to: str, made: list[str]) -> None:
    assert restoring.look_at_target(to) == made


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("/tmp/mine", "/tmp can be changed by others than root"),
        ("/tmp/mine/new", "/tmp can be changed by others than root"),
        ("/tmp/roots", "/tmp can be changed by others than root"),
        ("/tmp", "/tmp can be changed by others than root"),
        ("/var/all", "/var/all can be changed by others than root"),
        ("/var/group", "/var/group can be changed by others than root"),
        ("/var/group/new", "/var/group can be changed by others than root"),
        ("/srv/shared", "/srv/shared belongs to the account 997, not to root"),
        ("/srv/shared/back", "/srv/shared belongs to the account 997, not to root"),
        ("/srv/link", "/srv/link is no directory"),
        ("/srv/link/new", "/srv/link is a link or no directory"),
        ("/srv/file", "/srv/file is no directory"),
        ("/var/../srv/new", r"without \. and \.\."),
        ("/var//new", "without empty parts"),
    ],
)
def test_a_place_that_others_can_change_is_refused(to: str, says: str) -> None:
    with pytest.raises(BackupError, match=says):
        restoring.look_at_target(to)


def test_it_is_made_for_root_alone_and_by_root_alone(tmp_path: Path) -> None:
    new = [str(tmp_path / "new"), str(tmp_path / "new/er")]
    restoring.make_target(new[-1], new)
    assert [stat.S_IMODE(Path(path).stat().st_mode) for path in new] == [0o700, 0o700]
    with pytest.raises(BackupError, match="new was made by somebody else meanwhile"):
        restoring.make_target(new[-1], new)
    (tmp_path / "there").mkdir(mode=0o755)
    restoring.make_target(str(tmp_path / "there"), [])
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o700
