"""Nothing is installed or started at boot that nobody declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable
from verify.packages import left_over, matches, template

if TYPE_CHECKING:
    from verify.target import Target


def judge(target: Target, found: list[str], what: str, way_out: str) -> None:
    """Fail for what is left over where it is to be purged; elsewhere list it, and decide nothing."""
    if not found:
        return
    if target.expected.base.get("purge"):
        empty([f"{one}: {way_out}" for one in found], what)
    target.note(f"{what}: {', '.join(found)} (allow what is wanted, or let policy.base.purge remove the rest)")
    not_applicable(f"{what} are listed only, since policy.base.purge is false: {', '.join(found)}")


def test_packages_are_declared(target: Target) -> None:
    """Every package that somebody installed is Debian's own, needed by what is declared, or allowed by policy."""
    ground = target.inside()["ground"]
    assert ground["installed"], "the host could not list its packages"
    found = left_over(ground["manual"], ground["installed"], target.expected.allowed("packages"))
    judge(target, found, "packages that nobody declared", "purge it, or allow it in policy.base.packages")


def test_units_are_declared(target: Target) -> None:
    """Every unit and timer that starts by itself is Debian's own, declared, or allowed by policy."""
    ground = target.inside()["ground"]
    assert ground["enabled"], "the host could not list its units"
    patterns = target.expected.allowed("units")
    found = [one for one in ground["enabled"] if not (matches(one, patterns) or matches(template(one), patterns))]
    judge(target, found, "enabled units that nobody declared", "disable it, or allow it in policy.base.units")
