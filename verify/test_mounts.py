"""Where everybody may write, no program runs with another's rights, and no device can be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

UNIT: Final = "holdfast-mounts.service"
OWED: Final = {"/tmp": {"nosuid", "nodev"}, "/dev/shm": {"nosuid", "nodev", "noexec"}}  # noqa: S108  not used, judged
"""Not noexec for /tmp: packages run the scripts there that configure them."""


def lacking(mounts: dict[str, list[str]]) -> list[str]:
    """What each place lacks, by the options of all mounts."""
    return [
        f"{place} is mounted without {', '.join(sorted(missing))}" if place in mounts else f"{place} is no mount"
        for place, owed in OWED.items()
        if (missing := owed - set(mounts.get(place, [])))
    ]


def test_options_at_boot(target: Target) -> None:
    """The unit that sets the options of /tmp and /dev/shm runs at each start."""
    state = target.inside()["unit_files"].get(UNIT, "missing")
    assert state == "enabled", f"{UNIT} is {state}: the next run enables it"


def test_options_now(target: Target) -> None:
    """Both have these options now."""
    ground = target.inside()["ground"]
    if ground["container"]:
        not_applicable("this host is a container: its mounts are its engine's, and the unit leaves them")
    empty(lacking(ground["mounts"]), f"places for everybody (`systemctl restart {UNIT}` sets their options)")
