"""What has lasted for too long: a reboot that is needed, replaced code that runs, an update that is kept back.

None of it is a failure on its day: the host's window is for the first two, and the next run of unattended-upgrades for
the third. Since when each is there is remembered here, for nothing else on a host tells, and forgotten when it is over.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import old_libraries
import reboot_need
from commands import kernel_text, printable, run

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE = "/var/lib/holdfast/updates/lasting.json"
# Written by each run of unattended-upgrades that went well, by no dry one, and not there when nothing is kept back.
KEPT = "/var/lib/unattended-upgrades/kept-back"
WINDOW = "holdfast-updates-window.service"
NEXT = re.compile(r"Next elapse: \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")
DAY = 86400
SHOWN = 4  # of each kind, in a message for people


@dataclass(frozen=True)
class Lasting:
    """One thing that should be over soon. ``key``: what makes it the same one at the next look."""

    kind: str  # reboot, code or kept
    key: str
    text: str


def problems(settings: dict[str, Any]) -> list[str]:
    """Tell what lasts for too long, one sentence for each kind, and what to do."""
    now, found = time.time(), [*of_restarts(), *kept_back(settings["held"])]
    said = []
    window = f"window {settings['window_at']}"
    since = since_when([*(one.key for one in found), *([window] if settings["window_at"] else [])], now)
    try:
        remember({**since, "looked": now, f"boot {boot()}": booted(now)})
    except OSError as error:
        said.append(f"it cannot be remembered since when what has to end is there: {STATE}: {error.strerror}")
    for kind in ("reboot", "code", "kept"):
        of_kind = [one for one in found if one.kind == kind]
        late = [one for one in of_kind if is_late(kind, since[one.key], since.get(window, now), now, settings)]
        if late:
            days = int((now - min(since[one.key] for one in late)) / DAY)
            said.append(sentence(kind, [one.text for one in late], days, settings))
    return said


def of_restarts() -> list[Lasting]:
    """What the host's window would end. What runs in logins and in jobs that end by themselves is left alone there."""
    start, asked = boot(), old_libraries.put_off()
    found = [Lasting("reboot", f"reboot {start}", why) for why in reboot_need.reasons()]
    found += [
        Lasting("code", f"restart {start} {unit} {first}", f"{unit}, whose package was upgraded")
        for unit, first in asked.items()
    ]
    for old in old_libraries.look():
        units, rest = old_libraries.sorted_out([old])
        if rest.reboot:
            found.append(Lasting("reboot", f"reboot {start}", f"runs old code: {old}"))
        elif units - set(asked):
            # A process that was started anew, and whose code was then replaced again, is another matter.
            found.append(Lasting("code", f"process {start} {old.pid} {began(old.pid)}", str(old)))
    return found


def boot() -> str:
    """This start of the host. A container has the boot of the machine that it is on, and a process 1 of its own."""
    return f"{kernel_text('/proc/sys/kernel/random/boot_id').strip()} {began(1)}"


def booted(now: float) -> float:
    """When the machine started, by the clock as it is now: it changes when the clock is set."""
    return now - time.clock_gettime(time.CLOCK_BOOTTIME)


def began(pid: int) -> str:
    """When a process began, as the kernel counts; empty when it has ended. Its name, in brackets, is its own choice."""
    try:
        return kernel_text(f"/proc/{pid}/stat").rpartition(")")[2].split(" ")[20]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kept_back(allowed: Iterable[str]) -> list[Lasting]:
    """Updates that the last run was to install and did not, but for packages that may be held back."""
    try:
        with open(KEPT, encoding="utf-8", errors="replace") as handle:
            names = sorted(set(handle.read().split()))
    except FileNotFoundError:
        return []
    return [Lasting("kept", f"kept {name}", printable(name)) for name in names if name.split(":")[0] not in allowed]


def known() -> dict[str, float]:
    """What was remembered; of a file that is broken what can be made out, for all else counts from now on."""
    try:
        with open(STATE, encoding="utf-8") as handle:
            found = json.load(handle)
    except (OSError, ValueError):
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: float(value) for key, value in pairs if type(value) in (int, float) and 0 <= value < float("inf")}


def since_when(keys: Iterable[str], now: float) -> dict[str, float]:
    """Since when each is there, by the clock as it is now: where it was set, what was remembered moves with it.

    Within one start the kernel tells how far it was set. After another start no more is known than that the last look
    was not in the future: a boot with the clock behind keeps all ages, and so does setting it right after that. A clock
    that is set back may have been ahead since this start alone, so what was there before it does not move, except what
    would lie in the future: it was moved there since.
    """
    before = known()
    at_last_look = before.get(f"boot {boot()}")
    if at_last_look is None:
        moved, moves = min(0, now - before.get("looked", now)), set(before)
    else:
        moved = booted(now) - at_last_look
        moves = {key for key, since in before.items() if moved > 0 or since >= at_last_look or since > now}
    there = {key: since + moved if key in moves else since for key, since in before.items()}
    return {key: min(there.get(key, now), now) for key in keys}


def remember(since: dict[str, float]) -> None:
    """Write it down; what is not in it any more is forgotten."""
    os.makedirs(os.path.dirname(STATE), mode=0o700, exist_ok=True)
    handle = os.open(f"{STATE}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(since, file)
    os.rename(f"{STATE}.new", STATE)


def is_late(kind: str, since: float, declared: float, now: float, settings: dict[str, Any]) -> bool:
    """Whether it lasts for more days than allowed, and where the host has a window, past the first one since then.

    A window may be a month away, and what waits for it is no failure. A day is given to it: the check looks once a day.
    ``declared``: since when the host has this window, which did not open before.
    """
    if now - since <= settings["max_age_days"] * DAY:
        return False
    has_window = kind != "kept" and settings["window_at"]
    opened = window_after(max(since, declared), settings["window_at"]) if has_window else None
    return opened is None or now > opened + settings["window_minutes"] * 60 + DAY


def window_after(since: float, at: str) -> float | None:
    """When the first window after a moment opens; None when there is none, or systemd cannot tell."""
    words = ("systemd-analyze", "calendar", f"--base-time=@{int(since)}", f"{at} UTC")
    code, text = run("env", "TZ=UTC", *words)
    found = NEXT.search(text)
    if code or not found:
        return None
    return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


def sentence(kind: str, texts: list[str], days: int, settings: dict[str, Any]) -> str:
    """What lasts, for how long, and what to do, for people."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    what = f"for {days} days ({', '.join(texts[:SHOWN])}{more})"
    if kind == "kept":
        log = "/var/log/unattended-upgrades/unattended-upgrades.log says why"
        return f"updates have been kept back {what}: {log}; playbooks/patch.yml -e package=NAME installs one"
    lasts = "a reboot has been needed" if kind == "reboot" else "replaced code has been running"
    if kind == "reboot" and not settings["reboot"]:
        return f"{lasts} {what}: reboot it by hand, since policy.updates.reboot is false"
    if settings["window_at"]:
        return f"{lasts} {what}, and the host's window has not ended that: journalctl -u {WINDOW}"
    now = f"`systemctl start {WINDOW}` does it now"
    return f"{lasts} {what}: declare host.window, in which the host does it by itself; {now}"
