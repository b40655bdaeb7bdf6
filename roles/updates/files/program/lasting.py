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
    try:
        since = remember([one.key for one in found], now)
    except OSError as error:
        said.append(f"it cannot be remembered since when what has to end is there: {STATE}: {error.strerror}")
        since = {one.key: known().get(one.key, now) for one in found}
    for kind in ("reboot", "code", "kept"):
        late = [one for one in found if one.kind == kind and is_late(kind, since[one.key], now, settings)]
        if late:
            days = int((now - min(since[one.key] for one in late)) / DAY)
            said.append(sentence(kind, [one.text for one in late], days, settings))
    return said


def of_restarts() -> list[Lasting]:
    """What the host's window would end. What runs in logins and in jobs that end by themselves is left alone there."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
        boot = handle.read().strip()
    found = [Lasting("reboot", f"reboot {boot}", why) for why in reboot_need.reasons()]
    for old in old_libraries.look():
        units, rest = old_libraries.sorted_out([old])
        if rest.reboot:
            found.append(Lasting("reboot", f"reboot {boot}", f"runs old code: {old}"))
        elif units:
            # A process that was started anew, and whose code was then replaced again, is another matter.
            found.append(Lasting("code", f"process {boot} {old.pid} {began(old.pid)}", str(old)))
    return found


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


def remember(keys: Iterable[str], now: float) -> dict[str, float]:
    """Return since when each is there, and write it down; what is not among them any more is forgotten.

    A clock that was ahead when it was written down makes nothing last for ever.
    """
    before = known()
    since = {key: min(before.get(key, now), now) for key in keys}
    os.makedirs(os.path.dirname(STATE), mode=0o700, exist_ok=True)
    handle = os.open(f"{STATE}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(since, file)
    os.rename(f"{STATE}.new", STATE)
    return since


def is_late(kind: str, since: float, now: float, settings: dict[str, Any]) -> bool:
    """Whether it lasts for more days than allowed, and where the host has a window, past the first one since then.

    A window may be a month away, and what waits for it is no failure. A day is given to it: the check looks once a day.
    """
    if now - since <= settings["max_age_days"] * DAY:
        return False
    opened = window_after(since, settings["window_at"]) if kind != "kept" and settings["window_at"] else None
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
