"""How a commit ends: confirmed, put back by the program or by the shell, at boot or later. On files in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rescue

ROOT = Path(__file__).parents[3]
FILES = ROOT / "roles" / "guard" / "files"
ID = "0123456789ab"
STUB = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> {calls}
exit "$(cat {folder}/$name.code 2> /dev/null || echo 0)"
"""


class Place:
    """A host's paths within one folder, and commands that only note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.etc = folder, folder / "store", folder / "etc"
        self.state, self.calls = self.store / "armed.json", folder / "calls"
        for made in (self.store, self.etc, folder / "bin", folder / "lib"):
            made.mkdir()
        for name in ("bin/systemctl", "bin/systemd-run", "bin/nft", "bin/logger", "lib/guard"):
            (folder / name).write_text(STUB.format(calls=self.calls, folder=folder))
            (folder / name).chmod(0o755)

    def here(self, text: str) -> str:
        """A source with the host's paths turned into ours."""
        for path, ours in (
            ("/var/lib/holdfast/guard", "store"),
            ("/run/holdfast-guard", "run"),
            ("/usr/local/lib/holdfast", "lib"),
        ):
            text = text.replace(path, str(self.folder / ours))
        return text

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        env = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    def shell(self, text: str, *words: str) -> int:
        return self.run("/bin/sh", "-c", self.here(text), "sh", *words).returncode

    def guard(self, *words: str) -> tuple[int, dict[str, Any]]:
        program = self.folder / "program"
        if not program.exists():
            shutil.copytree(FILES / "program", program, ignore=shutil.ignore_patterns("__pycache__"))
            (program / "host.py").write_text(self.here((program / "host.py").read_text()))
        done = self.run(sys.executable, "-B", str(program), *words)
        return done.returncode, json.loads(done.stdout or "{}")

    def fails(self, command: str, code: int = 1) -> None:
        (self.folder / f"{command}.code").write_text(str(code))

    def arm(self, **fields: Any) -> dict[str, Any]:
        """A commit that changed `a`, made `b`, and was not to change `c`, whose twin is the file itself."""
        for name, text in {"a": "new", ".a.guard-old": "old", "b": "was not there", "c": "as ever"}.items():
            (self.etc / name).write_text(text)
        os.link(self.etc / "c", self.etc / ".c.guard-old")
        state = {
            "id": ID, "who": "a test", "until": 0,
            "files": {f"{self.etc}/a": "twin", f"{self.etc}/b": "absent", f"{self.etc}/c": "twin"},
            "accounts": {}, "tables": ["inet holdfast"], "sysctl": {}, "restart": ["holdfast-resolver"],
            "units": {
                "gone.service": {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""},
                "ssh.service": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"},
            },
            **fields,
        }  # fmt: skip
        self.state.write_text(json.dumps(state))
        (self.store / "last-revert.json").write_text(" " * 99)
        return state

    def is_back(self) -> bool:
        left = {path.name: path.read_text() for path in self.etc.iterdir()}
        return left == {"a": "old", "c": "as ever"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_shell_puts_back(place: Place) -> None:
    text = rescue.script(place.arm())
    assert place.shell(text) == 0
    assert place.is_back()
    assert not place.state.exists()
    assert "systemctl reload-or-restart ssh.service" in place.calls.read_text()
    assert "systemctl --no-block try-restart holdfast-resolver" in place.calls.read_text()
    assert json.loads((place.store / "last-revert.json").read_text())["id"] == ID
    assert f"{ID} reverted by the shell" in (place.store / "log").read_text()


@pytest.mark.parametrize("socket", ["active", "inactive"])
def test_at_boot_the_shell_waits_for_no_unit(place: Place, socket: str) -> None:
    units = {"ssh.socket": {"LoadState": "loaded", "ActiveState": socket, "UnitFileState": "enabled"}}
    assert place.shell(rescue.script(place.arm(units=units)), "boot") == 0
    assert place.is_back()
    jobs = [line for line in place.calls.read_text().splitlines() if {"start", "stop", "restart"} & set(line.split())]
    assert jobs
    assert all("--no-block" in line for line in jobs)
    assert not any(word in place.calls.read_text() for word in ("reload-or-restart", "nft"))


def test_the_shell_keeps_the_state_until_all_is_back(place: Place) -> None:
    text = rescue.script(place.arm())
    place.fails("nft")
    assert place.shell(text) == 75
    assert place.state.exists()
    assert "nft -f" in (place.store / "log").read_text()
    place.fails("nft", 0)
    assert place.shell(text) == 0
    assert place.is_back()
    assert not place.state.exists()
    (place.etc / "b").write_text("somebody's")
    assert place.shell(text) == 0  # nothing is armed any more
    assert (place.etc / "b").exists()


@pytest.mark.parametrize(
    ("code", "ends", "by_shell"), [(0, 0, False), (75, 75, False), (137, 137, False), (127, 3, True)]
)
def test_at_boot_the_shell_comes_only_where_python_does_not_run(
    place: Place, code: int, ends: int, by_shell: bool
) -> None:
    place.arm()
    (place.store / "rescue.sh").write_text('echo "rescue $1" >> ' + f"{place.calls}; exit 3")
    place.fails("guard", code)
    boot = (FILES / "guard-boot.sh").read_text()
    assert place.shell(boot) == ends
    again, tried, *shell = place.calls.read_text().splitlines()
    assert f"--unit=holdfast-guard-revert-{ID}" in again  # before anything may hang
    assert "--timer-property=DefaultDependencies=no" in again  # else systemd-run waits for the end of the boot
    assert tried == "guard boot"
    assert ("rescue boot" in shell) == by_shell
    assert place.shell(boot) == 0  # in the same boot the timer goes on
    assert place.calls.read_text() == ""


def test_a_boot_waits_for_the_guard_only_so_long() -> None:
    assert "\nTimeoutStartSec=" in (FILES / "holdfast-guard.service").read_text()


def test_a_second_confirm_gets_the_answer_of_the_first(place: Place) -> None:
    place.arm()
    (place.folder / "run.kill-at").write_text("confirmed")
    assert place.guard("confirm", ID)[0] == -9
    assert not place.state.exists()
    for _ in range(2):
        assert place.guard("confirm", ID) == (0, {"confirmed": ID})
        assert json.loads((place.store / "confirmed.json").read_text()) == {"id": ID}
    assert sorted(path.name for path in place.etc.iterdir()) == ["a", "b", "c"]
    assert place.guard("revert", ID) == (0, {"reverted": False})
    code, answer = place.guard("confirm", "another")
    assert (code, answer["msg"]) == (1, "nothing to confirm: no such commit")


def test_what_fails_after_the_commit_point_does_not_take_the_answer_away(place: Place) -> None:
    place.arm()
    (place.store / "tables.json.new").mkdir()
    assert place.guard("confirm", ID) == (0, {"confirmed": ID})
    assert not place.state.exists()
    assert "confirmed, but" in (place.store / "log").read_text()


def test_what_a_revert_has_begun_cannot_be_confirmed(place: Place) -> None:
    place.arm()
    (place.store / "last-revert.json").write_text(json.dumps({"id": ID, "why": "late", "problems": ["x"]}))
    code, answer = place.guard("confirm", ID)
    assert (code, answer["msg"], place.state.exists()) == (1, "nothing to confirm: late", True)


def test_a_timer_of_a_commit_that_was_never_armed_does_nothing(place: Place) -> None:
    assert place.guard("revert", ID, "late") == (0, {"reverted": False})
