"""Processes that want more than a service may have, started in its groups, and what the kernel says of that."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Target

# Joins the groups of a process, in each hierarchy that the kernel has, and becomes its user.
JOIN = """
import json, os, pathlib, signal, sys, time
pid, groups = sys.argv[1], {}
for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
    _, controllers, path = line.split(":", 2)
    for root in [controllers.removeprefix("name=")] if controllers else ["unified", "."]:
        group = pathlib.Path("/sys/fs/cgroup", root, path.lstrip("/"))
        if (group / "cgroup.procs").exists():
            (group / "cgroup.procs").write_text(str(os.getpid()))
            groups.update(dict.fromkeys(controllers.split(","), group))
            break
owner = os.stat(f"/proc/{pid}")
os.setgroups([])
os.setresgid(*[owner.st_gid] * 3)
os.setresuid(*[owner.st_uid] * 3)
def counted(controller, file, name):
    text = (groups.get(controller) or groups[""]).joinpath(file).read_text()
    return int(dict(line.split() for line in text.splitlines())[name])
"""
# Forks until the kernel refuses it or there are far too many, and holds them until its input ends.
FORKS = """
before, children, refused = counted("pids", "pids.events", "max"), [], False
while len(children) < 200 and not refused:
    try:
        child = os.fork()
    except BlockingIOError:
        refused = True
        continue
    if not child:
        signal.alarm(120)
        signal.pause()
    children.append(child)
refusals = counted("pids", "pids.events", "max") - before
print(json.dumps({"children": len(children), "refused": refused, "refusals": refusals}), flush=True)
sys.stdin.read()
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
# Two, on a machine whose every processor has others to serve.
SPINS = """
before, used, began = counted("cpu", "cpu.stat", "nr_throttled"), time.process_time(), time.monotonic()
child = os.fork()
while time.monotonic() - began < 4:
    pass
if not child:
    os._exit(0)
os.waitpid(child, 0)
took, spent = time.monotonic() - began, os.times()
used = spent.user + spent.system + spent.children_user + spent.children_system - used
print(json.dumps({"took": took, "used": used, "throttled": counted("cpu", "cpu.stat", "nr_throttled") - before}))
"""


@contextmanager
def within(target: Target, unit: str, program: str) -> Iterator[dict[str, Any]]:
    """Run a program as one more process of a unit; give what it says, and end its input afterwards."""
    pid = target.sh(f"systemctl show -P MainPID {unit}").strip()
    prefix = [*target.container.engine.command, "exec", "-i", target.container.container]
    with subprocess.Popen(
        [*prefix, "python3", "-c", JOIN + program, pid], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        said = process.stdout.readline()
        assert said, f"it said nothing, and ended with {process.wait()}"
        yield json.loads(said)
        process.communicate(timeout=30)
    assert process.returncode == 0
