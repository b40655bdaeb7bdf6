"""The sudoers drop-in, as visudo reads it."""

from __future__ import annotations

from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parents[3] / "roles" / "access" / "templates"


def render(name: str, **variables: object) -> str:
    """Render a template with the settings of Ansible."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True, autoescape=False,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(name).render(ansible_managed="Written by a test", **variables)


def test_admins_give_their_password_unless_they_are_declared_without() -> None:
    """Rights hang on groups alone."""
    lines = render("sudoers.j2", access_sudo_timestamp_minutes=5).splitlines()
    rules = [line for line in lines if "ALL=" in line]
    assert rules == ["%holdfast-admin ALL=(ALL:ALL) ALL", "%holdfast-nopasswd ALL=(ALL:ALL) NOPASSWD: ALL"]
    assert "Defaults use_pty" in lines
    assert "Defaults logfile=/var/log/sudo.log" in lines


def test_log_of_sudo_is_rotated_for_root_only() -> None:
    """Nobody else reads it."""
    text = render("logrotate.j2", access_sudo_log_months=12)
    assert "/var/log/sudo.log {" in text
    assert "create 0600 root root" in text
    assert "rotate 12" in text
