"""The parts of the updates' program that only read text."""

from __future__ import annotations

import datetime
import os

import changelogs
import old_libraries
import pytest

NEW = """openssl (3.0.17-1~deb12u2) bookworm-security; urgency=medium

  * CVE-2025-9230: out-of-bounds read; see also CVE-2025-9231
  * CVE-2025-9230, second part

 -- A Person <a@example.org>  Tue, 10 Nov 2026 10:00:00 +0000

openssl (3.0.17-1~deb12u1) bookworm; urgency=medium

  * CVE-2025-0001

 -- A Person <a@example.org>  Sun, 01 Nov 2026 12:00:00 +0100

openssl (3.0.16-1~deb12u1) bookworm; urgency=medium

  * CVE-2024-0001

 -- A Person <a@example.org>  Thu, 01 Oct 2026 12:00:00 +0000
"""
NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC).timestamp()


def test_changes_above_the_installed_version() -> None:
    found = changelogs.since(NEW, "3.0.16-1~deb12u1", NOW)
    assert found.cves == ["CVE-2025-9230", "CVE-2025-9231", "CVE-2025-0001"]
    assert found.days == 23
    assert changelogs.since(NEW, "3.0.17-1~deb12u1", NOW).days == 14
    assert changelogs.since(NEW, "3.0.17-1~deb12u2", NOW) == changelogs.Changes([], None)
    assert changelogs.since("", "1", NOW) == changelogs.Changes([], None)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("7f1-7f2 r-xp 00000000 08:01 123  /usr/lib/x86_64/libssl.so.3 (deleted)", "/usr/lib/x86_64/libssl.so.3"),
        ("7f1-7f2 r--p 00000000 08:01 123  /lib/libc.so.6 (deleted)", "/lib/libc.so.6"),
        ("7f1-7f2 r-xp 00000000 08:01 123  /usr/sbin/nginx (deleted)", "/usr/sbin/nginx"),
        ("7f1-7f2 r--p 00000000 08:01 123  /usr/lib/locale/locale-archive (deleted)", ""),
        ("7f1-7f2 r-xp 00000000 08:01 123  /usr/lib/libssl.so.3", ""),
        ("7f1-7f2 rw-s 00000000 00:01 123  /dev/zero (deleted)", ""),
        ("7f1-7f2 rwxp 00000000 00:01 123  /memfd:jit (deleted)", ""),
        ("7f1-7f2 r-xp 00000000 00:01 123  /tmp/own.so (deleted)", ""),
        ("7f1-7f2 rw-p 00000000 00:00 0 ", ""),
    ],
)  # fmt: skip
def test_code_that_is_gone(line: str, path: str) -> None:
    found = list(old_libraries.suspects(f"7e0-7e1 rw-p 00000000 00:00 0  [heap]\n{line}\n"))
    assert found == ([("7f1-7f2", path)] if path else [])


@pytest.mark.parametrize(
    ("text", "root", "unit"),
    [
        ("0::/system.slice/nginx.service", "", "nginx.service"),
        ("12:cpu:/x\n1:name=systemd:/system.slice/nginx.service\n0::/y", "", "nginx.service"),
        ("1:name=systemd:/docker/c0ffee/system.slice/ssh.service", "/docker/c0ffee", "ssh.service"),
        ("0::/system.slice/docker-1.scope/system.slice/ssh.service", "/system.slice/docker-1.scope", "ssh.service"),
        ("0::/system.slice/blog-web@1.service/worker", "", "blog-web@1.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope", "", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service", "", ""),
        ("0::/init.scope", "", "init.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/a\r0::/system.slice/ssh.service", "", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/a\x850::/system.slice/ssh.service", "", ""),
        ("0::/system.slice/own.scope/ssh.service", "", ""),
        ("0::/system.slice/own.service/ssh.service", "", "own.service"),
    ],
)
def test_whose_process_it_is(text: str, root: str, unit: str) -> None:
    assert old_libraries.unit_of(old_libraries.cgroup_path(text), root) == unit


@pytest.mark.parametrize("name", ["dbus.service", "getty@tty1.service", "serial-getty@ttyS0.service"])
def test_only_by_reboot(name: str) -> None:
    assert old_libraries.ONLY_BY_REBOOT.match(name)
    assert not old_libraries.ONLY_BY_REBOOT.match(f"my-{name}")


def test_the_program_does_not_look_at_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would restart its own unit, and end amid the restarts."""
    monkeypatch.setattr(old_libraries, "suspects", lambda _: [("1-2", "/usr/lib/libz.so.1")])
    monkeypatch.setattr(old_libraries, "are_shown", lambda: False)
    monkeypatch.setattr(os, "listdir", lambda _: [str(os.getpid()), str(os.getppid()), "self"])
    assert [old.pid for old in old_libraries.look()] == [os.getppid()]
