"""What is committed is what this very run has staged, whatever a fact cache has kept of runs before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from tests.loading import load

ROOT = Path(__file__).parents[3]
STALE = "/home/colleague/.ansible/tmp/ansible-local-4711x1y2z3a4"


STAGE, COMMIT = (load(ROOT / "action_plugins" / f"{name}.py") for name in ("guard_stage", "guard_commit"))


def concern(path: str) -> str:
    empty: dict[str, Any] = {"prune": [], "validate": [], "reload": ["ssh"], "units": [], "tables": [], "sysctl": {}}
    return json.dumps({**empty, "files": [{"path": path}]})


def committed(facts: dict[str, Any]) -> list[str]:
    """The paths that a commit would hand over to the host."""
    action = SimpleNamespace(
        _shared_loader_obj=SimpleNamespace(
            action_loader=SimpleNamespace(get=lambda *_args, **_more: STAGE.ActionModule)
        ),
        _with_passwords=lambda _args: None,
    )
    args = {"seconds": 60, "present_user": "oper", "keep": [], "sysctl_files": []}
    order = COMMIT.ActionModule._order(action, args, {"ansible_facts": facts})
    assert order["reload"] == ({"ssh": [entry["path"] for entry in order["files"]]} if order["files"] else {})
    return [entry["path"] for entry in order["files"]]


def test_a_commit_takes_what_this_run_has_staged() -> None:
    mine = {"ssh": concern("/etc/a"), "firewall": concern("/etc/b")}
    assert committed({"guard_staged": {STAGE.THIS_RUN: mine}}) == ["/etc/a", "/etc/b"]
    assert committed({}) == []


def test_a_commit_takes_nothing_of_another_run() -> None:
    assert committed({"guard_staged": {STALE: {"access": concern("/etc/ssh/authorized_keys.d/thief")}}}) == []
    both = {STALE: {"access": concern("/etc/old")}, STAGE.THIS_RUN: {"ssh": concern("/etc/a")}}
    assert committed({"guard_staged": both}) == ["/etc/a"]


def test_runs_that_share_a_cache_stage_apart(tmp_path: Path) -> None:
    """Each task is a fork of its own and sees what those before it have staged, and nothing of the run before."""

    def run(*names: str) -> list[list[str]]:
        stage = [
            {"guard_stage": {"concern": name, "files": [{"path": f"/etc/{name}", "content": "x"}]}} for name in names
        ]
        tell = {
            "ansible.builtin.copy": {
                "content": "{{ ansible_facts.guard_staged.values() | map('list') | to_json }}",
                "dest": str(tmp_path / "staged"),
            }
        }
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [*stage, tell]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
        subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(tmp_path / "play.yml")],
            cwd=ROOT, env={**os.environ, **cache}, check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        staged: list[list[str]] = json.loads((tmp_path / "staged").read_text())
        return staged

    assert run("access", "ssh") == [["access", "ssh"]]
    assert list((tmp_path / "facts").iterdir()), "nothing was kept: the next run could not go wrong"
    assert run("firewall", "resolver") == [["firewall", "resolver"]]
