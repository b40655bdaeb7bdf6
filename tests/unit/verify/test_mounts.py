"""The options of the places for everybody are read of the kernel's list, and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.remote import ground
from verify.test_mounts import lacking

if TYPE_CHECKING:
    import pytest

MOUNTS = """
24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 24 0:27 / /dev/shm rw,nosuid,nodev{} shared:5 - tmpfs tmpfs rw,inode64
31 24 254:1 /tmp /tmp rw,relatime shared:1 - ext4 /dev/vda1 rw
32 31 254:1 /tmp /tmp rw,nosuid,nodev,relatime shared:1 - ext4 /dev/vda1 rw
"""


def judged(listed: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the promise says of a host whose kernel lists these mounts."""
    monkeypatch.setattr(ground, "read", lambda path: {"/proc/self/mountinfo": listed}[path])
    return lacking(ground.mounts())


def test_the_last_mount_on_a_place_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(MOUNTS.format(",noexec"), monkeypatch) == []


def test_what_a_place_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(MOUNTS.format(""), monkeypatch) == ["/dev/shm is mounted without noexec"]
    bare = MOUNTS.format(",noexec").replace(" /tmp rw,nosuid,nodev,", " /tmp rw,")
    assert judged(bare, monkeypatch) == ["/tmp is mounted without nodev, nosuid"]
    assert judged("", monkeypatch) == ["/tmp is no mount", "/dev/shm is no mount"]
