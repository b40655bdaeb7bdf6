#!/usr/bin/python3 -EsSB
"""holdfast's updates, the host's half.

    updates.py check                  fail, with one message, when something keeps the host from its updates
    updates.py window                 in the host's window: restart what runs old code, reboot when needed
    updates.py pending [--as-is] [PACKAGE]   what would be installed; --as-is: by the package lists as they are
    updates.py install [PACKAGE]      install it now, restart what runs old code, tell whether the host is well
    updates.py fixes                  which CVE ids upgrades fix: asked with the security tracker's data, JSON at stdin
    updates.py old-code               processes that run what was replaced on the disk, and restarts that were put off
    updates.py own-policy ROOT        fail where somebody else's policy-rc.d would be written over

`pending`, `install` and `fixes` answer in JSON. Exit code 0: done; 1: a problem, told in one message.
"""

from __future__ import annotations

import json
import sys
import time

import apt_state
import lasting
import maintenance_locks
import old_libraries
import package_restarts
import patching
import reboot_need
import tracker
from commands import Problem, must, settings

# Shares of the window, after which nobody is waited for any more, and after which no reboot begins: the host has to be
# back before the next one's window opens, which may be where this one closes.
WAITING, REBOOTING = 0.75, 0.9


def check() -> None:
    """Raise a Problem that names everything that somebody has to mend."""
    chosen = settings()
    found = apt_state.problems(chosen)
    try:
        found += lasting.problems(chosen)
    except Problem as problem:  # what was found before is told all the same
        found.append(str(problem))
    except OSError as error:
        found.append(f"what lasts for too long cannot be seen: {error.filename}: {error.strerror}")
    if found:
        raise Problem("; ".join(found))
    print("nothing keeps this host from its updates")


def window() -> None:
    """Restart what runs old code, and the host when only that helps, once nobody is at work."""
    chosen = settings()
    seconds = chosen["window_minutes"] * 60
    last_reboot = time.monotonic() + seconds * REBOOTING
    with maintenance_locks.held(seconds * WAITING, apt=True):
        done = old_libraries.restart()
        print(f"restarted: {', '.join(done.units) or 'nothing'}")
        wrong = list(done.wrong)
        needed = reboot_need.reasons() + [f"runs old code: {one}" for one in done.reboot]
        if needed and not chosen["reboot"]:
            wrong.insert(0, f"a reboot is needed, and policy.updates.reboot is false: {', '.join(needed)}")
        elif needed and time.monotonic() > last_reboot:
            late = "the window was too short for the reboot, which comes in the next one"
            wrong.insert(0, f"{late}: {', '.join(needed)}")
        elif needed:
            print(f"rebooting: {'; '.join(needed)}")
            must("systemctl", "reboot")
        if wrong:  # not before: a service that runs what it likes would keep the host from its reboots
            raise Problem("; ".join(wrong))


def answer(verb: str, words: list[str]) -> None:
    """Carry out a verb that answers in JSON."""
    names = [word for word in words if word != "--as-is"]
    package = names[0] if names else ""
    found = (
        patching.listing(package, fetch="--as-is" not in words)
        if verb == "pending"
        else patching.install(package, settings()["held"])
    )
    print(json.dumps(found))


def main(verb: str, words: list[str]) -> int:
    """Dispatch one verb; return the exit code."""
    try:
        if verb == "check":
            check()
        elif verb == "window":
            window()
        elif verb in ("pending", "install"):
            answer(verb, words)
        elif verb == "fixes":
            print(json.dumps(tracker.lines(json.load(sys.stdin))))
        elif verb == "old-code":
            waiting = [f"{unit} (its package put off a restart)" for unit in old_libraries.put_off()]
            print("\n".join([*map(str, old_libraries.look()), *waiting]))
        elif verb == "own-policy" and words:
            package_restarts.refuse_another(words[0])
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "help", sys.argv[2:]))
