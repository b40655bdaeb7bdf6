"""Foreign lines of sshd's configuration: found with file and line, and judged by what sshd would do with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

INCLUDE = "Include {folder}/sshd_config.d/*.conf\n"
STOCK = "KbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding no\nAcceptEnv LANG LC_*\nSubsystem sftp /x\n"


@pytest.fixture
def found(tmp_path: Path, foreign: ModuleType):  # type: ignore[no-untyped-def]
    """Give a function that writes a configuration and returns (place, refused) of what is found in it."""
    (tmp_path / "sshd_config.d").mkdir()
    ours = tmp_path / "sshd_config.d" / "00-holdfast.conf"

    def look(main: str = STOCK, *, include: str = INCLUDE, **drop_ins: str) -> list[tuple[str, bool]]:
        (tmp_path / "sshd_config").write_text(include.format(folder=tmp_path) + main)
        for name, text in drop_ins.items():
            (tmp_path / "sshd_config.d" / f"{name.lstrip('_').replace('_', '-')}.conf").write_text(text)
        lines = foreign.find_foreign(str(tmp_path / "sshd_config"), str(ours))
        return [(f"{Path(line['file']).name}:{line['line']}", line["refused"]) for line in lines]

    return look


def test_a_stock_configuration_is_fine(found) -> None:  # type: ignore[no-untyped-def]
    assert found() == []


def test_cloud_init_is_beaten_and_only_noted(found) -> None:  # type: ignore[no-untyped-def]
    assert found(_50_cloud_init="# x\nPasswordAuthentication yes\n") == [("50-cloud-init.conf:2", False)]


@pytest.mark.parametrize("line", ["PasswordAuthentication yes", "passwordauthentication=yes", "PermitRootLogin yes"])
def test_an_earlier_drop_in_wins_and_is_refused(found, line: str) -> None:  # type: ignore[no-untyped-def]
    assert found(_00_a=f"{line}\n") == [("00-a.conf:1", True)]


def test_an_earlier_line_that_closes_is_fine(found) -> None:  # type: ignore[no-untyped-def]
    assert found(_00_a="PasswordAuthentication no\nPermitRootLogin no\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "AllowGroups sudo",
        "AllowUsers bob",
        "ListenAddress 192.0.2.1",
        "TrustedUserCAKeys /etc/ssh/ca.pub",
        "AuthorizedKeysCommand /bin/x",
        "AuthorizedKeysFile /etc/ssh/keys/%u",
    ],
)
def test_what_sshd_adds_up_is_refused_wherever_it_stands(found, line: str) -> None:  # type: ignore[no-untyped-def]
    assert found(_99_z=f"{line}\n") == [("99-z.conf:1", True)]
    assert found(STOCK + f"{line}\n", _99_z="") == [("sshd_config:7", True)]


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("PasswordAuthentication yes", True),
        ("  AllowTcpForwarding yes", True),
        ("AuthorizedKeysFile .ssh/authorized_keys", True),
        ("AuthenticationMethods password", True),
        ("PasswordAuthentication no", False),
        ("ForceCommand internal-sftp", False),
        ("X11Forwarding no", False),
    ],
)
def test_match_blocks_override_and_are_refused_if_they_open(found, line: str, refused: bool) -> None:  # type: ignore[no-untyped-def]
    assert found(STOCK + f"Match Address 10.0.0.0/8\n{line}\n") == ([("sshd_config:8", True)] if refused else [])


def test_match_all_and_the_end_of_a_file_end_a_block(found) -> None:  # type: ignore[no-untyped-def]
    text = "Match User bob\nForceCommand x\nMatch all\nPasswordAuthentication yes\n"
    assert found(_60_a=text) == [("60-a.conf:4", False)]
    assert found(_60_a="Match User bob\nForceCommand x\n", _61_b="PasswordAuthentication yes\n") == [
        ("61-b.conf:1", False)
    ]


def test_without_the_include_our_drop_in_would_be_dead(found) -> None:  # type: ignore[no-untyped-def]
    assert found(include="") == [("sshd_config:0", True)]
    assert found("", include="Match User bob\nInclude {folder}/sshd_config.d/*.conf\n") == [("sshd_config:0", True)]


def test_lines_before_a_late_include_are_refused(found) -> None:  # type: ignore[no-untyped-def]
    assert found("", include="UsePAM no\nX11Forwarding no\n" + INCLUDE) == [("sshd_config:1", True)]


def test_nested_includes_are_followed(found, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "extra").write_text("AllowGroups wheel\n")
    assert found(_70_x=f"Include {tmp_path}/extra\n") == [("extra:1", True)]


def test_options_on_the_command_line_are_found(foreign: ModuleType, tmp_path: Path) -> None:
    defaults, unit = tmp_path / "ssh", tmp_path / "a.conf"
    defaults.write_text("SSHD_OPTS=\n")
    unit.write_text("[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n")
    assert foreign.find_command_line(str(defaults), (str(unit),)) == []
    defaults.write_text('SSHD_OPTS="-o PasswordAuthentication=yes"\n')
    unit.write_text("[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x $SSHD_OPTS\n")
    lines = [line["line"] for line in foreign.find_command_line(str(defaults), (str(unit),))]
    assert lines == [1, 3]
