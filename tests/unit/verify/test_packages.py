"""Which packages are left over, and how settings are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.packages import left_over, lines, template
from verify.remote import ground

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def package(
    needs: str = "", *, priority: str = "optional", essential: str = "no", provides: str = ""
) -> dict[str, str]:
    return {"priority": priority, "essential": essential, "needs": needs, "provides": provides}


def test_what_an_allowed_package_needs_is_no_left_over() -> None:
    installed: dict[str, Any] = {
        "apt": package("libc6 (>= 2.36), mail-transport | cron:any", priority="required"),
        "libc6": package(),
        "cron": package(),
        "postfix": package(provides="mail-transport (= 3), smtpd"),
        "vim-tiny": package("vim-common"),
        "vim-common": package(),
        "nmap": package("libpcap0.8"),
        "libpcap0.8": package(),
        "bash": package(essential="yes"),
    }
    manual = [*installed, "wine:i386"]
    assert left_over(manual, installed, ["vim*"]) == ["libpcap0.8", "nmap", "wine:i386"]
    assert left_over(manual, installed, []) == ["libpcap0.8", "nmap", "vim-common", "vim-tiny", "wine:i386"]
    assert left_over(["apt"], installed, []) == []


def test_circles_of_dependencies_end() -> None:
    installed = {"a": package("b"), "b": package("a")}
    assert left_over(["a", "b"], installed, []) == ["a", "b"]
    assert left_over(["a", "b"], installed, ["a"]) == []


def test_settings_keep_their_order() -> None:
    text = "# /usr/lib/x.conf\n; no\n[Journal]\n-net/ipv4/ip_forward=0\nkernel.core_pattern = |/bin/false\nA=1\nA=2\n"
    assert lines(text) == [
        ("net.ipv4.ip_forward", "0"),
        ("kernel.core_pattern", "|/bin/false"),
        ("A", "1"),
        ("A", "2"),
    ]


def test_an_enabled_instance_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd tells of its template as "indirect", which is no state that is asked for."""
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("many@one.service", "getty@tty1.service", "gone@one.service", "plain.service"):
        (wants / name).symlink_to("nowhere")
    (wants.parent / "many@.service").touch()
    monkeypatch.setattr(ground, "UNIT_FOLDERS", [str(wants.parent)])
    monkeypatch.setattr(ground, "LINKS", [str(tmp_path) + place for place in ground.LINKS])
    monkeypatch.setattr(ground, "run", lambda _argv: (0, "getty@.service enabled enabled\n", ""))
    assert ground.enabled_units() == ["getty@.service", "many@one.service"]
    assert template("many@one.two.service") == "many@.service"
    assert template("plain.service") == "plain.service"
