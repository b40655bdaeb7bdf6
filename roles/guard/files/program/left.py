"""What an account leaves that would run in its name: jobs of cron and at, and set-uid files where all may write."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

CRONTABS = Path("/var/spool/cron/crontabs")
AT_JOBS = Path("/var/spool/cron/atjobs")
OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm")


def at_jobs(uid: int) -> list[Path]:
    """Return what at would run in the name of an account."""
    found = []
    for path in AT_JOBS.glob("*"):
        with contextlib.suppress(OSError):  # it has run meanwhile
            found += [path] if path.lstat().st_uid == uid else []
    return found


def jobs(name: str, uid: int) -> dict[str, list[Path]]:
    """Return what cron and at would run in the name of an account, in words; nothing where there is none."""
    crontab = CRONTABS / name
    found = {"the crontab": [crontab] if os.path.lexists(crontab) else [], "the jobs of at": at_jobs(uid)}
    return {words: paths for words, paths in found.items() if paths}


def remove_set_ids(numbers: list[range], *, check: bool) -> int:
    """Remove the files that give their owner's rights to whoever runs them; return how many there are.

    find gets down to any depth, and removes within the folder that it has open, whatever a name in it has become.
    """
    owned: list[str] = []
    for span in numbers:
        owned += ["-o"] * bool(owned) + ["!", "-uid", f"-{span.start}", "-uid", f"-{span.stop}"]
    tops = [top for top in OPEN_TO_ALL if os.path.isdir(top)]
    sought = ["-xdev", "-ignore_readdir_race", "-type", "f", "-perm", "/6000", "(", *owned, ")", "-printf", "."]
    command = ["find", "-H", *tops, *sought, *([] if check else ["-delete"])]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return len(done.stdout) if tops else 0
