"""The repository: made once, never anew in the place of one that is there or elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backing_up
import locations
import pytest
import records
import repository
from failures import BackupError

if TYPE_CHECKING:
    from .conftest import Restic

MISSING = (1, "", "Fatal: repository does not exist: unable to open config file: stat: no such file or directory")
ID = "7d032c77474b9ff4938ef41d716f7176f3f8d193ac71ceb5f70f8e153821d7c8"


def leave(order: dict[str, Any], *files: str) -> None:
    """Lay these files into the repository."""
    for name in files:
        path = Path(order["path"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_keys_of_a_killed_init_are_removed_first(restic: Restic, order: dict[str, Any]) -> None:
    leave(order, f"keys/{ID}", "keys/7d03-tmp-1")
    for folder in ("data/00", "snapshots", "index", "locks"):
        (Path(order["path"]) / folder).mkdir(parents=True)
    restic.answers["cat"] = MISSING
    repository.make_repository(order)
    assert list((Path(order["path"]) / "keys").iterdir()) == []
    assert [words[0] for words in restic.asked] == ["cat", "init"]
    assert records.was_made(order)


@pytest.mark.parametrize("file", [f"data/7d/{ID}", f"snapshots/{ID}", f"index/{ID}"])
def test_more_than_keys_is_never_touched(restic: Restic, order: dict[str, Any], file: str) -> None:
    leave(order, f"keys/{ID}", file)
    restic.answers["cat"] = MISSING
    with pytest.raises(BackupError, match="its config is lost"):
        repository.make_repository(order)
    assert (Path(order["path"]) / "keys" / ID).exists()
    assert restic.said("init") == []
    assert not records.was_made(order)


def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lists: str) -> Path:
    """Let ssh and sftp get in, and the server list this; return where the questions to it are kept."""
    asked = tmp_path / "asked"
    places = tmp_path / "bin"
    places.mkdir()
    (places / "ssh").write_text("#!/bin/sh\n")
    (places / "sftp").write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$*\" > {asked}; cat >> {asked}\nprintf '{lists}'\nexit 1\n"
    )
    for path in places.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{places}:{os.environ['PATH']}")
    return asked


def test_a_killed_init_on_the_server_is_told_of(
    restic: Restic, far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = server(monkeypatch, tmp_path, f"sftp> -ls -1 /srv/b/web1/keys\\n{ID}\\n")
    restic.answers["cat"] = MISSING
    with pytest.raises(BackupError) as raised:
        repository.make_repository(far)
    assert "depot@203.0.113.50:/srv/b/web1 has no config file" in str(raised.value)
    assert "remove /srv/b/web1, and run again" in str(raised.value)
    assert restic.said("init") == []
    options, *commands = asked.read_text().splitlines()
    assert options == f"-b - -F {locations.FOLDER}/ssh_config -i {locations.SECRETS}/id_ed25519 repository"
    assert commands == ["-ls -1 /srv/b/web1/keys", "-ls -1 /srv/b/web1/snapshots"]


def test_an_empty_server_gets_a_repository(
    restic: Restic, far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server(monkeypatch, tmp_path, "sftp> -ls -1 /srv/b/web1/keys\\n")
    restic.answers["cat"] = MISSING
    repository.make_repository(far)
    assert [words[0] for words in restic.asked] == ["cat", "init"]


def test_restics_own_words_for_it_are_known(restic: Restic, order: dict[str, Any]) -> None:
    restic.answers |= {
        "cat": MISSING,
        "init": (1, "", "Fatal: create key in repository at /b failed: repository already contains keys\n"),
    }
    with pytest.raises(BackupError, match="a killed run left them: remove"):
        repository.make_repository(order)


def moved(order: dict[str, Any]) -> str:
    """Let the backups so far be elsewhere; return where."""
    old = f"{order['url']}-of-the-old-name"
    records.write_down("repository", {"url": old, "time": "2026-01-01T00:00:00Z"})
    return old


def test_no_new_repository_hides_the_old_one(restic: Restic, order: dict[str, Any]) -> None:
    old = moved(order)
    restic.answers["cat"] = MISSING
    for begin in (repository.make_repository, repository.init, backing_up.backup):
        with pytest.raises(BackupError) as raised:
            begin(order)
        assert f"are in {old}, and {order['url']} is declared now" in str(raised.value)
        assert f"to leave it behind and begin afresh, remove {locations.STATE}/repository.json" in str(raised.value)
    assert restic.said("init") == []
    assert records.state("repository")["url"] == old
    Path(locations.STATE, "repository.json").unlink()
    repository.make_repository(order)
    assert len(restic.said("init")) == 1


def test_one_that_was_moved_along_is_taken(restic: Restic, order: dict[str, Any]) -> None:
    moved(order)
    repository.make_repository(order)
    assert restic.said("init") == []
    assert records.state("repository")["url"] == order["url"]
    assert records.elsewhere(order) == ""


def test_snapshots_of_an_old_name_count_too(restic: Restic, order: dict[str, Any]) -> None:
    restic.backs_up()
    records.write_down("repository", {"url": order["url"], "time": "2026-01-01T00:00:00Z"})
    backing_up.backup(order)
    for verb in ("snapshots", "forget"):
        (asked,) = restic.said(verb)
        assert "--host" not in asked
        assert asked[asked.index("--tag") + 1] == "holdfast"
    assert asked[asked.index("--group-by") + 1] == ""
    (made,) = restic.said("backup")
    assert made[made.index("--host") + 1] == "web1"
