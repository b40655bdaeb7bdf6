"""The sudoers drop-in, as visudo reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "roles" / "access" / "templates"


def render(name: str, **variables: object) -> str:
    """Render a template with the settings of Ansible."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True, autoescape=False,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(name).render(ansible_managed="Written by a test", **variables)


RULES = [{"name": "alice", "nopasswd": False}, {"name": "bob", "nopasswd": True}]


def test_admins_give_their_password_unless_they_are_named() -> None:
    """Only those who are declared so do without it."""
    text = render("sudoers.j2", access_sudo_rules=RULES, access_sudo_timestamp_minutes=5)
    lines = text.splitlines()
    assert "%holdfast-admin ALL=(ALL:ALL) ALL" in lines
    assert "bob ALL=(ALL:ALL) NOPASSWD: ALL" in lines
    assert not any(line.startswith("alice") for line in lines)
    assert "Defaults use_pty" in lines
    assert "Defaults logfile=/var/log/sudo.log" in lines


@pytest.mark.skipif(not shutil.which("visudo"), reason="visudo is not installed")
def test_visudo_accepts_it(tmp_path: Path) -> None:
    """The tool's own test."""
    path = tmp_path / "holdfast"
    path.write_text(render("sudoers.j2", access_sudo_rules=RULES, access_sudo_timestamp_minutes=5))
    path.chmod(0o440)
    subprocess.run(["visudo", "-cf", str(path)], check=True, capture_output=True)


def test_log_of_sudo_is_rotated_for_root_only() -> None:
    """Nobody else reads it."""
    text = render("logrotate.j2", access_sudo_log_months=12)
    assert "/var/log/sudo.log {" in text
    assert "create 0600 root root" in text
    assert "rotate 12" in text
