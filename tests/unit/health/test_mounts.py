"""What users mount, and call as they like, is one mount of that name, and ends no look at the host's health."""

from __future__ import annotations

import builtins
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.loading import load

health: Any = load(Path(__file__).parents[3] / "roles/health/files/health.py")

ROOT = b"24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
# As fusermount lets every account do it, where the name of the folder is its own choice.
OWN = b"99 24 0:50 / /home/bob/%s rw,nosuid,nodev,relatime shared:9 - fuse.sshfs bob rw,user_id=1000\n"
FORGED = b"a%s30 24 7:7 / /srv/x rw - ext4 y emergency_ro"
# The kernel escapes a space, a tab, the end of a line and the backslash; these Python takes for spaces, too.
SPACES = [b"\x0b", b"\x0c", b"\x1f", "\x85".encode(), "\xa0".encode(), "\u2003".encode()]
ENDS = [b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1e", "\x85".encode(), "\u2028".encode()]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the kernel tells of its mounts, read as a file is."""
    found: dict[str, bytes] = {}
    really = builtins.open

    def as_file(path: Any, *words: Any, **more: Any) -> Any:
        return io.TextIOWrapper(io.BytesIO(found[path]), **more) if path in found else really(path, *words, **more)

    monkeypatch.setattr(builtins, "open", as_file)
    return found


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("end", ENDS)
def test_a_name_is_no_second_mount(end: bytes, space: bytes, listed: dict[str, bytes]) -> None:
    """Else the host's health fails for a disk that there is not."""
    forged = FORGED.replace(b" ", space) % end
    listed["/proc/1/mountinfo"] = ROOT + OWN % forged
    listed["/proc/self/mountinfo"] = ROOT + OWN % end
    assert [one.path for one in health.mounts("1")] == ["/", f"/home/bob/{forged.decode()}"]
    assert health.turned_read_only() == []
    assert health.file_systems() == ["/"]


def test_what_the_kernel_escapes(listed: dict[str, bytes]) -> None:
    listed["/proc/1/mountinfo"] = OWN % rb"a\040b\134c\012d"
    assert health.mounts("1")[0].path == "/home/bob/a b\\c\nd"


def test_a_name_that_is_no_text(listed: dict[str, bytes]) -> None:
    """It can be looked up, and written down where it has to be told."""
    listed["/proc/1/mountinfo"] = (
        ROOT.replace(b"/vda1 rw", b"/vda1 ro") + OWN.replace(b" rw,user", b" ro,user") % b"\xff"
    )
    assert health.mounts("1")[1].path == "/home/bob/\udcff"
    assert health.turned_read_only() == ["/", "/home/bob/\udcff"]
    told = health.finding("disk", health.turned_read_only()[1], "fail", "gone")
    assert told["subject"] == r"/home/bob/\udcff"
    assert json.dumps(told, ensure_ascii=False).encode()


def test_findings_move_no_cursor_and_begin_no_line() -> None:
    told = health.finding("disk", "/home/bob/\x1b[2J\rok\nfail: unit ssh", "warn", "words\u202e")
    assert told["subject"] == r"/home/bob/\x1b[2J\rok\nfail: unit ssh"
    assert told["text"] == r"words\u202e"


def test_failed_units_by_their_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "run", lambda *_: (0, "Id=web.service\n\nId=home-bob.mount"))
    assert [one["subject"] for one in health.failed_units()] == ["web.service", "home-bob.mount", "failed"]


def test_what_is_started_over_and_over_is_told_though_it_never_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many starts count while the last one is not long ago; an old crash, a first start, a logout, is no loop."""
    blocks = [("loop", 3, 995), ("once", 2, 995), ("long-ago", 90, 300), ("first", 0, 999), ("never", 0, 0)]
    blocks += [("getty@tty1", 9, 995), ("serial-getty@ttyS0", 9, 995), ("console-getty", 9, 995)]
    text = "\n\n".join(
        f"Id={name}.service\nNRestarts={count}\nExecMainStartTimestampMonotonic={at * 1_000_000}"
        for name, count, at in blocks
    )
    monkeypatch.setattr(health, "run", lambda *_: (0, text))
    found = list(health.loops(1000))
    assert [(one["subject"], one["level"]) for one in found] == [("loop.service", "fail"), ("services", "ok")]
    assert found[0]["text"].startswith("was started again 3 times, last 5 s ago")
    monkeypatch.setattr(health, "run", lambda *_: (1, "no bus"))
    assert [one["level"] for one in health.loops(1000)] == ["fail"]
