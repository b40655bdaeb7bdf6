"""restic by hand: its own words reach it, but for what a unit does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import by_hand
import command_line
import locations
import pytest
import restic
from failures import BackupError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("verb", ["unlock", "init"])
@pytest.mark.parametrize(
    "before", ["", "--verbose", "-v --json", "-o x=y", "--option x=y -r=/b", "--cacert find --repo ls"]
)
@pytest.mark.parametrize("after", [[], ["--", "find"]])
def test_what_a_unit_does_is_not_done_by_hand(order: dict[str, Any], before: str, verb: str, after: list[str]) -> None:
    """As root `unlock` would send a signal to whichever process the account of the backups has put into a lock."""
    with pytest.raises(BackupError, match=rf"`systemctl start holdfast-backup-\w+.service` does .*{verb}"):
        by_hand.run(order, [*before.split(), verb, *after])


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let a program of the test's own be called for restic; give where it keeps its words, environment and input."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/restic").write_text(
        '#!/bin/sh\n{ for word in "$@"; do echo "$word"; done; env; cat; } > "$0.asked"\nexit 7\n'
    )
    (tmp_path / "bin/restic").chmod(0o755)
    called = restic.called

    def instead(*words: Any) -> tuple[list[str], dict[str, str]]:
        command, environment = called(*words)
        return [f"{tmp_path}/bin/{command[0]}", *command[1:]], environment

    monkeypatch.setattr(restic, "called", instead)
    return tmp_path / "bin/restic.asked"


@pytest.mark.parametrize(
    "words",
    [
        "find init", "snapshots --tag init", "-o init ls", "--password-file unlock ls latest", "help init", "-- init",
        "dump latest -- -x", "ls -- --", "-v snapshots", "--help", "-h", "snapshots --help", "--version", "",
    ],
)  # fmt: skip
def test_all_other_words_reach_restic_as_they_are(
    order: dict[str, Any], passed_on: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """What is no verb to restic forbids nothing, and what looks like an option of ours is restic's."""
    monkeypatch.setattr("sys.argv", ["backup", "restic", *words.split()])
    assert command_line.main() == 7
    asked = passed_on.read_text().splitlines()
    assert asked[asked.index("--no-cache") + 1 :][: len(words.split())] == words.split()


def test_restic_by_hand_is_called_as_the_backups_call_it(
    order: dict[str, Any], passed_on: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("new-password\n")
    monkeypatch.setattr("sys.argv", ["backup", "restic", "-v", "key", "add", "--new-password-file", "-"])
    with (tmp_path / "words").open() as stdin:
        before = os.dup(0)
        os.dup2(stdin.fileno(), 0)
        try:
            assert command_line.main() == 7
        finally:
            os.dup2(before, 0)
    asked = passed_on.read_text().splitlines()
    assert asked[1:6] == ["-v", "key", "add", "--new-password-file", "-"]
    assert f"RESTIC_REPOSITORY={order['url']}" in asked
    assert f"RESTIC_PASSWORD_FILE={locations.SECRETS}/password" in asked
    assert asked[-1] == "new-password"
