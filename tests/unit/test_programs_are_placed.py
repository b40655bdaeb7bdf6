"""What a role places of its program on a host is the whole program, and it runs there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.loading import load

ROOT = Path(__file__).parents[2]
STAGE = load(ROOT / "action_plugins/guard_stage.py")
PLACE = "/usr/local/lib/holdfast"


def place(role: str, listed: str, folder: Path) -> None:
    """Put what the role lists where a host has it, below the folder, as the plugin finds it."""
    files = ROOT / "roles" / role / "files"
    variables = yaml.safe_load((files.parent / "vars/main.yml").read_text())
    plugin = SimpleNamespace(
        _find_needle=lambda _kind, name: str(files / name),
        _loader=SimpleNamespace(get_text_file_contents=lambda path: Path(path).read_text(encoding="utf-8")),
    )
    texts = []
    for entry in variables[listed]:
        path = re.sub(r"\{\{ (\w+) \}\}", lambda name: variables[name[1]], entry["path"])
        texts += STAGE.ActionModule._texts(plugin, {"content": None, "template": None, **entry, "path": path}, {})
    ours = [(path.replace(PLACE, str(folder)), text) for path, text in texts if path.startswith(PLACE)]
    assert sorted(text for _path, text in ours) == sorted(path.read_text() for path in files.rglob("*.py"))
    for path, text in ours:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)


@pytest.mark.parametrize(
    ("role", "listed", "command", "said", "code"),
    [
        (
            "backup",
            "backup__code",
            "backup --help",
            r"usage: backup \[-h\]\s+\{backup,check,init,hold,key,tell,start,restic,restore\}",
            0,
        ),
        (
            "services",
            "services__program",
            "services run no-such-service",
            r"no service 'no-such-service' with a release runs on this host\n\Z",
            2,
        ),
        # Another word than its verbs has it tell them.
        ("updates", "updates__code", "updates/updates.py --help", r"(?s).*updates.py check +fail, with one message", 2),
    ],
)
def test_all_of_the_program_is_placed_and_runs(
    tmp_path: Path, role: str, listed: str, command: str, said: str, code: int
) -> None:
    """Under the name that units, tasks and people call. It leaves nothing beside it."""
    place(role, listed, tmp_path)
    name, *words = command.split()
    first = (tmp_path / name).read_text().partition("\n")[0]
    # That of the services is no command of its own: as run.yml calls it.
    options = first.split()[1:] if first.startswith("#!") else ["-IS"]
    done = subprocess.run(
        [sys.executable, *options, str(tmp_path / name), *words],
        input="true\n", capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert re.match(said, done.stdout or done.stderr), done
    assert done.returncode == code, done
    assert list(tmp_path.rglob("__pycache__")) == []
