"""Services on a kernel of their own, where systemd is told of what was killed for want of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hosts.conftest import HOST
from tests.hosts.reports import details, verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts.conftest import Target


def test_killed_for_want_of_memory(target: Target, tmp_path: Path) -> None:
    """A command that takes more than its service may have is killed, nothing else is, and the report says so."""
    eater = "printf 'python3 -c \"x = bytearray(400 << 20)\"'"
    code = target.sh(f"{eater} | python3 -IS /usr/local/lib/holdfast/services run notes >/dev/null; echo $?").strip()
    assert code in ("137", "143"), "it was not killed"  # by the kernel, or by systemd with the rest of its unit
    _run, data = verify(target, tmp_path / "report", expect=2)
    (found,) = details(data, HOST, "failed")["services"]
    assert "notes-run@" in found
    assert "killed for want of memory" in found
    assert target.sh("systemctl is-active 'notes-web@*'").strip() == "active"
