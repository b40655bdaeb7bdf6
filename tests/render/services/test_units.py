"""Units as systemd reads them: nothing is ignored, and the sandbox is closed."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.render.role_template import render, statements

if TYPE_CHECKING:
    from pathlib import Path

SERVICE: dict[str, Any] = {
    "name": "blog",
    "env": ['A="b c"'],
    "secrets": ["key"],
    "needs": [{"directive": "MemoryDenyWriteExecute=no", "reason": "its JIT"}],
    "memory": "128M",
    "tasks": 64,
    "cpu": 50,
}
PART = {"role": "web", "exec": "/srv/blog/releases/%i/serve", "port": None, "health": None}
ITEM = {"name": "clean", "exec": "/srv/blog/releases/%i/clean", "at": "daily"}


def test_a_need_stands_last_and_with_its_reason() -> None:
    text = render("services", "part.service.j2", service=SERVICE, part=PART)
    lines = statements(text)
    assert lines.index("MemoryDenyWriteExecute=no") > lines.index("MemoryDenyWriteExecute=yes")
    assert "# its JIT" in text
    assert "PORT" not in text
    assert "Environment=PORT=8001" in render(
        "services", "part.service.j2", service=SERVICE, part={**PART, "port": 8001}
    )


@pytest.mark.parametrize("name", ["part", "schedule", "run"])
def test_the_environment_is_not_in_the_unit(name: str) -> None:
    text = render("services", f"{name}.service.j2", service=SERVICE, part=PART, item=ITEM)
    assert "EnvironmentFile=/etc/holdfast/services/blog.env" in statements(text)
    assert "b c" not in text


@pytest.mark.parametrize("name", ["part", "schedule", "run"])
def test_nothing_runs_as_root_with_the_environment_of_the_service(name: str) -> None:
    """It may hold LD_PRELOAD: what a command of root's beside it would load."""
    lines = statements(render("services", f"{name}.service.j2", service=SERVICE, part=PART, item=ITEM))
    assert "User=blog" in lines
    commands = [line for line in lines if line.startswith("Exec")]
    assert commands
    assert not [line for line in commands if re.match(r"\w+=[-@:]*[+!]", line)]
    assert "PermissionsStartOnly" not in "".join(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="judged by systemd, which is not on this machine")
@pytest.mark.parametrize("name", ["part.service", "schedule.service", "run.service", "schedule.timer"])
def test_systemd_ignores_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"blog-x@.{name.rpartition('.')[2]}"
    if name.endswith("timer"):
        (tmp_path / "blog-x@.service").write_text("[Service]\nExecStart=/bin/true\n")
    path.write_text(render("services", f"{name}.j2", service=SERVICE, part=PART, item=ITEM))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert "ignoring" not in done.stderr
    if name.endswith("service"):
        # Offline, systemd takes no template: the same text under a plain name.
        plain = tmp_path / "plain.service"
        plain.write_text(path.read_text())
        argv = ["systemd-analyze", "security", "--no-pager", "--offline=yes", str(plain)]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert float(re.findall(r"exposure level for \S+: ([0-9.]+)", said)[0]) <= 2.0
