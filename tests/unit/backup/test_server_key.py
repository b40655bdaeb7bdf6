"""The key for the server: made once, and told of where the server may not know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import connection
import locations
import pytest
import records
import server_key
from failures import BackupError

from .test_repository import moved


def test_the_host_tells_its_key_and_nothing_more(far: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """What the key may do on the server is the controller's word: see the filter `backup_invitation`."""
    Path(locations.FOLDER, "id_ed25519.pub").write_text("ssh-ed25519 AAAA holdfast-backup@web1\n")
    server_key.tell(far)
    assert capsys.readouterr().out == "ssh-ed25519 AAAA holdfast-backup@web1\n"
    assert "AAAA" not in connection.invitation(far)


def key() -> tuple[str, str]:
    """Let the key be made; return both halves."""
    server_key.make_once()
    return Path(locations.SECRETS, "id_ed25519").read_text(), Path(locations.FOLDER, "id_ed25519.pub").read_text()


def test_a_key_is_made_once(order: dict[str, Any]) -> None:
    private, public = key()
    assert public.startswith("ssh-ed25519 AAAA")
    assert public.endswith(" holdfast-backup@web1\n")
    assert Path(locations.SECRETS, "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert Path(locations.FOLDER, "id_ed25519.pub").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in Path(locations.SECRETS).iterdir()] == ["id_ed25519"]
    assert key() == (private, public)


@pytest.mark.parametrize("lost", ["id_ed25519.pub", "id_ed25519"])
def test_a_half_of_a_key_is_made_whole(order: dict[str, Any], lost: str) -> None:
    """Where the public half is missing, and where the private one is empty; as a kill and a full disk leave them."""
    private, public = key()
    if lost == "id_ed25519.pub":
        for folder in (locations.FOLDER, locations.SECRETS):
            Path(folder, lost).unlink(missing_ok=True)
        assert key() == (private, public)
    else:
        for name in ("id_ed25519", "id_ed25519.pub", "id_ed25519.new", "id_ed25519.new.pub"):
            Path(locations.SECRETS, name).write_text("")
        assert key()[1] != public
        assert [path.name for path in Path(locations.SECRETS).iterdir()] == ["id_ed25519"]


def test_a_damaged_key_is_told_of_and_kept(order: dict[str, Any]) -> None:
    path = Path(locations.SECRETS, "id_ed25519")
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n")
    path.chmod(0o600)
    with pytest.raises(BackupError, match=f"{path} cannot be used; remove it, .*\\bLoad key"):
        server_key.make_once()
    assert path.read_text().endswith("b3Bl\n")


def test_a_new_key_is_told_of_where_the_server_knew_the_old_one(
    far: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(locations.FOLDER, "id_ed25519.pub").write_text("ssh-ed25519 AAAA holdfast-backup@web1\n")
    records.write_down("repository", {"url": far["url"], "time": "2026-01-01T00:00:00Z"})
    for words, told in (
        ("depot@203.0.113.50: Permission denied (publickey).", True),
        ("ssh: connect to host 203.0.113.50 port 22: Connection refused", False),
        ("", False),
    ):
        monkeypatch.setattr(connection, "shut_out", lambda words=words: words)
        server_key.tell(far)
        assert ("ssh-ed25519 AAAA" in capsys.readouterr().out) is told
    old = moved(far)
    server_key.tell(far)
    shown = capsys.readouterr()
    assert shown.out == "ssh-ed25519 AAAA holdfast-backup@web1\n"
    assert f"are in {old}" in shown.err
