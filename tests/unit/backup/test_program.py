"""The program of the backups: its repository, its key for the server, and that no failure is a traceback."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from types import ModuleType

    from .conftest import Restic

MISSING = (1, "", "Fatal: repository does not exist: unable to open config file: stat: no such file or directory")
ID = "7d032c77474b9ff4938ef41d716f7176f3f8d193ac71ceb5f70f8e153821d7c8"


# --- an init that was killed ----------------------------------------------------------------------------------------


def leave(order: dict[str, Any], *files: str) -> None:
    """Lay these files into the repository."""
    for name in files:
        path = Path(order["path"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_keys_of_a_killed_init_are_removed_first(program: ModuleType, restic: Restic, order: dict[str, Any]) -> None:
    leave(order, f"keys/{ID}", "keys/7d03-tmp-1")
    for folder in ("data/00", "snapshots", "index", "locks"):
        (Path(order["path"]) / folder).mkdir(parents=True)
    restic.answers["cat"] = MISSING
    program.make_repository(order)
    assert list((Path(order["path"]) / "keys").iterdir()) == []
    assert [words[0] for words in restic.asked] == ["cat", "init"]
    assert program.was_made(order)


@pytest.mark.parametrize("file", [f"data/7d/{ID}", f"snapshots/{ID}", f"index/{ID}"])
def test_more_than_keys_is_never_touched(program: ModuleType, restic: Restic, order: dict[str, Any], file: str) -> None:
    leave(order, f"keys/{ID}", file)
    restic.answers["cat"] = MISSING
    with pytest.raises(program.BackupError, match="its config is lost"):
        program.make_repository(order)
    assert (Path(order["path"]) / "keys" / ID).exists()
    assert restic.said("init") == []
    assert not program.was_made(order)


def server(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lists: str) -> Path:
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
    program: ModuleType, restic: Restic, far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = server(program, monkeypatch, tmp_path, f"sftp> -ls -1 /srv/b/web1/keys\\n{ID}\\n")
    restic.answers["cat"] = MISSING
    with pytest.raises(program.BackupError) as raised:
        program.make_repository(far)
    assert "depot@203.0.113.50:/srv/b/web1 has no config file" in str(raised.value)
    assert "remove /srv/b/web1, and run again" in str(raised.value)
    assert restic.said("init") == []
    options, *commands = asked.read_text().splitlines()
    assert options == f"-b - -F {program.FOLDER}/ssh_config -i {program.SECRETS}/id_ed25519 repository"
    assert commands == ["-ls -1 /srv/b/web1/keys", "-ls -1 /srv/b/web1/snapshots"]


def test_an_empty_server_gets_a_repository(
    program: ModuleType, restic: Restic, far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server(program, monkeypatch, tmp_path, "sftp> -ls -1 /srv/b/web1/keys\\n")
    restic.answers["cat"] = MISSING
    program.make_repository(far)
    assert [words[0] for words in restic.asked] == ["cat", "init"]


def test_restics_own_words_for_it_are_known(program: ModuleType, restic: Restic, order: dict[str, Any]) -> None:
    restic.answers |= {
        "cat": MISSING,
        "init": (1, "", "Fatal: create key in repository at /b failed: repository already contains keys\n"),
    }
    with pytest.raises(program.BackupError, match="a killed run left them: remove"):
        program.make_repository(order)


# --- the key for the server -----------------------------------------------------------------------------------------


def test_the_host_tells_its_key_and_nothing_more(
    program: ModuleType, far: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the key may do on the server is the controller's word: see the filter `backup_invitation`."""
    Path(program.FOLDER, "id_ed25519.pub").write_text("ssh-ed25519 AAAA holdfast-backup@web1\n")
    program.tell(far)
    assert capsys.readouterr().out == "ssh-ed25519 AAAA holdfast-backup@web1\n"
    assert "AAAA" not in program.invitation(far)


def key(program: ModuleType) -> tuple[str, str]:
    """Let the key be made; return both halves."""
    program.key()
    return Path(program.SECRETS, "id_ed25519").read_text(), Path(program.FOLDER, "id_ed25519.pub").read_text()


def test_a_key_is_made_once(program: ModuleType, order: dict[str, Any]) -> None:
    private, public = key(program)
    assert public.startswith("ssh-ed25519 AAAA")
    assert public.endswith(" holdfast-backup@web1\n")
    assert Path(program.SECRETS, "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert Path(program.FOLDER, "id_ed25519.pub").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in Path(program.SECRETS).iterdir()] == ["id_ed25519"]
    assert key(program) == (private, public)


@pytest.mark.parametrize("lost", ["id_ed25519.pub", "id_ed25519"])
def test_a_half_of_a_key_is_made_whole(program: ModuleType, order: dict[str, Any], lost: str) -> None:
    """Where the public half is missing, and where the private one is empty; as a kill and a full disk leave them."""
    private, public = key(program)
    if lost == "id_ed25519.pub":
        for folder in (program.FOLDER, program.SECRETS):
            Path(folder, lost).unlink(missing_ok=True)
        assert key(program) == (private, public)
    else:
        for name in ("id_ed25519", "id_ed25519.pub", "id_ed25519.new", "id_ed25519.new.pub"):
            Path(program.SECRETS, name).write_text("")
        assert key(program)[1] != public
        assert [path.name for path in Path(program.SECRETS).iterdir()] == ["id_ed25519"]


def test_a_damaged_key_is_told_of_and_kept(program: ModuleType, order: dict[str, Any]) -> None:
    path = Path(program.SECRETS, "id_ed25519")
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n")
    path.chmod(0o600)
    with pytest.raises(program.BackupError, match=f"{path} cannot be used; remove it, .*\\bLoad key"):
        program.key()
    assert path.read_text().endswith("b3Bl\n")


# --- no failure is a traceback --------------------------------------------------------------------------------------


def run(program: ModuleType, monkeypatch: pytest.MonkeyPatch, verb: str) -> int:
    monkeypatch.setattr(sys, "argv", ["backup", verb])
    return int(program.main())


def fill_the_disk(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(program.os, "fsync", full)


def backed_up(restic: Restic) -> None:
    """Let a backup go well."""
    summary = {"message_type": "summary", "snapshot_id": "1", "total_files_processed": 1, "total_bytes_processed": 1}
    restic.answers["backup"] = (0, json.dumps({**summary, "data_added": 1}), "")
    restic.answers["snapshots"] = (0, "[]", "")


def test_a_full_disk_is_told_of(
    program: ModuleType,
    restic: Restic,
    order: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backed_up(restic)
    assert run(program, monkeypatch, "backup") == 0
    before = Path(program.STATE, "last.json").read_text()
    fill_the_disk(program, monkeypatch)
    assert run(program, monkeypatch, "backup") == 1
    assert f"{program.STATE}/last.json could not be written: No space left on device" in capsys.readouterr().err
    assert Path(program.STATE, "last.json").read_text() == before


def test_so_it_is_where_the_key_is_made(
    program: ModuleType, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_the_disk(program, monkeypatch)
    assert run(program, monkeypatch, "key") == 1
    said = capsys.readouterr().err
    assert said == f"{program.SECRETS}/id_ed25519 could not be made: No space left on device\n"
    assert not Path(program.SECRETS, "id_ed25519").exists()


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("STATE/repository.json", '{"url": "/b', "cannot be read: Unterminated string"),
        ("FOLDER/orders.json", "", "cannot be read: Expecting value"),
        ("FOLDER/orders.json", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_of(
    program: ModuleType,
    restic: Restic,
    order: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str | None,
    says: str,
) -> None:
    folder, _, name = file.partition("/")
    path = Path(getattr(program, folder), name)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert run(program, monkeypatch, "backup") == 1
    assert f"{path} {says}" in capsys.readouterr().err


def test_a_missing_restic_is_told_of(
    program: ModuleType, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])

    monkeypatch.setattr(program.subprocess, "run", absent)
    assert run(program, monkeypatch, "check") == 1
    assert capsys.readouterr().err == "restic: No such file or directory\n"


# --- a repository that is declared elsewhere, and what is done by hand ----------------------------------------------


def moved(program: ModuleType, order: dict[str, Any]) -> str:
    """Let the backups so far be elsewhere; return where."""
    old = f"{order['url']}-of-the-old-name"
    program.write_down("repository", {"url": old, "time": "2026-01-01T00:00:00Z"})
    return old


def test_no_new_repository_hides_the_old_one(program: ModuleType, restic: Restic, order: dict[str, Any]) -> None:
    old = moved(program, order)
    restic.answers["cat"] = MISSING
    for begin in (program.make_repository, program.init, program.backup):
        with pytest.raises(program.BackupError) as raised:
            begin(order)
        assert f"are in {old}, and {order['url']} is declared now" in str(raised.value)
        assert f"to leave it behind and begin afresh, remove {program.STATE}/repository.json" in str(raised.value)
    assert restic.said("init") == []
    assert program.state("repository")["url"] == old
    Path(program.STATE, "repository.json").unlink()
    program.make_repository(order)
    assert len(restic.said("init")) == 1


def test_one_that_was_moved_along_is_taken(program: ModuleType, restic: Restic, order: dict[str, Any]) -> None:
    moved(program, order)
    program.make_repository(order)
    assert restic.said("init") == []
    assert program.state("repository")["url"] == order["url"]
    assert program.elsewhere(order) == ""


def test_snapshots_of_an_old_name_count_too(program: ModuleType, restic: Restic, order: dict[str, Any]) -> None:
    backed_up(restic)
    program.write_down("repository", {"url": order["url"], "time": "2026-01-01T00:00:00Z"})
    program.backup(order)
    for verb in ("snapshots", "forget"):
        (asked,) = restic.said(verb)
        assert "--host" not in asked
        assert asked[asked.index("--tag") + 1] == "holdfast"
    assert asked[asked.index("--group-by") + 1] == ""
    (made,) = restic.said("backup")
    assert made[made.index("--host") + 1] == "web1"


def test_a_new_key_is_told_of_where_the_server_knew_the_old_one(
    program: ModuleType, far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(program.FOLDER, "id_ed25519.pub").write_text("ssh-ed25519 AAAA holdfast-backup@web1\n")
    program.write_down("repository", {"url": far["url"], "time": "2026-01-01T00:00:00Z"})
    for words, told in (
        ("depot@203.0.113.50: Permission denied (publickey).", True),
        ("ssh: connect to host 203.0.113.50 port 22: Connection refused", False),
        ("", False),
    ):
        monkeypatch.setattr(program, "shut_out", lambda words=words: words)
        program.tell(far)
        assert ("ssh-ed25519 AAAA" in capsys.readouterr().out) is told
    old = moved(program, far)
    program.tell(far)
    shown = capsys.readouterr()
    assert shown.out == "ssh-ed25519 AAAA holdfast-backup@web1\n"
    assert f"are in {old}" in shown.err


@pytest.mark.parametrize("verb", ["unlock", "init"])
@pytest.mark.parametrize(
    "before", ["", "--verbose", "-v --json", "-o x=y", "--option x=y -r=/b", "--cacert find --repo ls"]
)
@pytest.mark.parametrize("after", [[], ["--", "find"]])
def test_what_a_unit_does_is_not_done_by_hand(
    program: ModuleType, order: dict[str, Any], before: str, verb: str, after: list[str]
) -> None:
    """As root `unlock` would send a signal to whichever process the account of the backups has put into a lock."""
    with pytest.raises(program.BackupError, match=rf"`systemctl start holdfast-backup-\w+.service` does .*{verb}"):
        program.by_hand(order, [*before.split(), verb, *after])


@pytest.fixture
def passed_on(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let a program of the test's own be called for restic; give where it keeps its words, environment and input."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/restic").write_text(
        '#!/bin/sh\n{ for word in "$@"; do echo "$word"; done; env; cat; } > "$0.asked"\nexit 7\n'
    )
    (tmp_path / "bin/restic").chmod(0o755)
    called = program.called

    def instead(*words: Any) -> tuple[list[str], dict[str, str]]:
        command, environment = called(*words)
        return [f"{tmp_path}/bin/{command[0]}", *command[1:]], environment

    monkeypatch.setattr(program, "called", instead)
    return tmp_path / "bin/restic.asked"


@pytest.mark.parametrize(
    "words",
    [
        "find init", "snapshots --tag init", "-o init ls", "--password-file unlock ls latest", "help init", "-- init",
        "dump latest -- -x", "ls -- --", "-v snapshots", "--help", "-h", "snapshots --help", "--version", "",
    ],
)  # fmt: skip
def test_all_other_words_reach_restic_as_they_are(
    program: ModuleType, order: dict[str, Any], passed_on: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """What is no verb to restic forbids nothing, and what looks like an option of ours is restic's."""
    monkeypatch.setattr(sys, "argv", ["backup", "restic", *words.split()])
    assert program.main() == 7
    asked = passed_on.read_text().splitlines()
    assert asked[asked.index("--no-cache") + 1 :][: len(words.split())] == words.split()


def test_restic_by_hand_is_called_as_the_backups_call_it(
    program: ModuleType, order: dict[str, Any], passed_on: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("new-password\n")
    monkeypatch.setattr(sys, "argv", ["backup", "restic", "-v", "key", "add", "--new-password-file", "-"])
    with (tmp_path / "words").open() as stdin:
        before = os.dup(0)
        os.dup2(stdin.fileno(), 0)
        try:
            assert program.main() == 7
        finally:
            os.dup2(before, 0)
    asked = passed_on.read_text().splitlines()
    assert asked[1:6] == ["-v", "key", "add", "--new-password-file", "-"]
    assert f"RESTIC_REPOSITORY={order['url']}" in asked
    assert f"RESTIC_PASSWORD_FILE={program.SECRETS}/password" in asked
    assert asked[-1] == "new-password"
