"""The whole change tried out in a private mount namespace and judged there by each tool's own test.

The host itself is untouched; absolute includes and prunes are seen as they would be. Works in check mode too.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from typing import Any

import files
from host import GuardError, unlink

CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000


def _tops(paths: list[str]) -> list[str]:
    """Nearest existing directories above the changes, none inside another (mounts below an overlay vanish)."""
    found = set()
    for path in paths:
        top = os.path.dirname(path)
        while not os.path.isdir(top):
            top = os.path.dirname(top)
        found.add(os.path.realpath(top))
    return sorted(t for t in found if not any(t.startswith(o.rstrip("/") + "/") for o in found if o != t))


def _overlay(libc: ctypes.CDLL, scratch: str, number: int, top: str) -> None:
    upper, work = f"{scratch}/upper{number}", f"{scratch}/work{number}"
    os.mkdir(upper)
    os.mkdir(work)
    shutil.copystat(top, upper)
    now = os.stat(top)
    os.chown(upper, now.st_uid, now.st_gid)
    options = f"lowerdir={top},upperdir={upper},workdir={work}".encode()
    if libc.mount(b"overlay", top.encode(), b"overlay", 0, options):
        raise OSError(ctypes.get_errno(), f"overlay over {top}: {os.strerror(ctypes.get_errno())}")


def _judge(scratch: str, entries: list[dict[str, Any]], pruned: list[str], commands: list[list[str]]) -> str:
    """In the child: apply and test. Return the first failure, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "unshare: a private mount namespace needs CAP_SYS_ADMIN")
    for number, top in enumerate(_tops([e["path"] for e in entries] + pruned)):
        _overlay(libc, scratch, number, top)
    for entry in entries:
        files.make_parent(entry["path"])
        unlink(entry["path"])
        files.write_fresh(entry["path"], entry["bytes"], *files.owner_of(entry), entry["mode"])
    for path in pruned:
        unlink(path)
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd -t wants it, and a stopped sshd has none
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        if done.returncode:
            return f"{' '.join(command)}: {done.stdout.decode(errors='replace').strip()}"
    return ""


def refusal(entries: list[dict[str, Any]], pruned: list[str], commands: list[list[str]]) -> str:
    """Return why the tools refuse the change; empty when they accept it."""
    if not commands:
        return ""
    scratch = tempfile.mkdtemp(prefix="holdfast-rehearsal-", dir="/run")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            message = _judge(scratch, entries, pruned, commands)
            code = 1 if message else 0
        except (OSError, GuardError, subprocess.SubprocessError) as error:
            code, message = 1, f"cannot rehearse: {error}"
        os.write(writer, message.encode()[:8000])
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as handle:
        message = handle.read().decode(errors="replace")
    status = os.waitpid(child, 0)[1]
    shutil.rmtree(scratch, ignore_errors=True)
    if status and not message:
        return f"the rehearsal died (status {status})"
    return message
