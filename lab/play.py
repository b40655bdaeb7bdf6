"""Run ansible-playbook and show its progress, one line a task, with elapsed seconds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.+)\]")
# Lines that only repeat that nothing happened.
QUIET = re.compile(r"^(ok|skipping|included): |^PLAY |^$")


@dataclass
class Outcome:
    """How a playbook ended: exit code, seconds, tasks that changed something over all hosts, and all of its output."""

    code: int
    seconds: float
    changed: int
    text: str


def changed_in(text: str) -> int:
    """Return the sum of ``changed=N`` in a recap, 0 where there is none."""
    _, found, recap = text.rpartition("PLAY RECAP")
    return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", recap)) if found else 0


def play(
    playbook: str,
    arguments: Sequence[str],
    *,
    log: Path | None = None,
    show: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a playbook from the project's root with the tools of this environment and return how it ended.

    ``show`` prints a line for each task and what changed or failed; ``log`` gets everything (appended).
    """
    binary = Path(sys.executable).parent
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "PATH": f"{binary}:{os.environ['PATH']}",
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    # Each Ansible start costs a second more without byte code.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = progress.seconds
    command = [str(binary / "ansible-playbook"), *arguments, str(ROOT / playbook)]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if not show:
                continue
            if task := TASK.match(line):
                progress.say(f"  {task[1]}")
            elif not QUIET.match(line):
                print(f"             {line.rstrip()}", file=sys.stderr, flush=True)
    text = "".join(lines)
    if log:
        with log.open("a", encoding="utf-8") as handle:
            handle.write(f"$ {' '.join(command)}\n{text}\n")
    return Outcome(process.returncode, progress.seconds - began, changed_in(text), text)
