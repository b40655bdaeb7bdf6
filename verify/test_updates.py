"""Security updates install themselves, no update reboots the host by itself, and a failure is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

SECURITY = "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"
ORIGINS = ("Unattended-Upgrade::Origins-Pattern::", "Unattended-Upgrade::Allowed-Origins::")
SETTINGS = {
    "APT::Periodic::Enable": "1",
    "APT::Periodic::Update-Package-Lists": "always",
    "APT::Periodic::Unattended-Upgrade": "always",
    "Unattended-Upgrade::Automatic-Reboot": "false",
}
CHECK = "holdfast-updates-check.service"
DAY = 86400


def test_what_apt_would_do(target: Target) -> None:
    """By apt's own word security updates and what is declared are installed, nothing else is, and nothing reboots."""
    pairs = [line.rstrip(";").split(" ", 1) for line in target.inside()["updates"]["apt"] if " " in line]
    settings = {key: value.strip('"') for key, value in pairs}
    problems = [
        f"{key} is {settings.get(key, 'not set')}, not {value}"
        for key, value in SETTINGS.items()
        if settings.get(key) != value
    ]
    found = {value.strip('"') for key, value in pairs if key.startswith(ORIGINS)}
    declared = {SECURITY, *target.expected.policy["updates"]["origins"]}
    problems += [f"updates of {one} are not installed" for one in sorted(declared - found)]
    problems += [f"updates of {one} are installed, and nobody declared it" for one in sorted(found - declared)]
    problems += [f"{key} keeps {value}" for key, value in pairs if key.startswith("Unattended-Upgrade::Package-Black")]
    empty(problems, "apt does not do what was declared")


def test_timers(target: Target) -> None:
    """The timers of the upgrade and of its check run, and that of the window where the host has one."""
    units = target.inside()["units"]
    wanted = ["apt-daily-upgrade.timer", "holdfast-updates-check.timer"]
    wanted += ["holdfast-updates-window.timer"] if target.expected.host.get("window") else []
    problems = []
    for name in wanted:
        unit = units.get(name, {})
        state = (unit.get("UnitFileState"), unit.get("ActiveState"))
        if state != ("enabled", "active"):
            problems.append(f"{name} is {' and '.join(filter(None, state)) or 'missing'}")
    empty(problems, "timers that do not run")


def test_success_and_failure(target: Target) -> None:
    """The last success is not too old, and neither the check nor the window has failed."""
    facts = target.inside()
    allowed = target.expected.policy["updates"]["max_age_days"]
    problems = [
        f"{name} has failed: `journalctl -u {name}` says why"
        for name in (CHECK, "holdfast-updates-window.service")
        if facts["units"].get(name, {}).get("ActiveState") == "failed"
    ]
    succeeded = facts["updates"]["succeeded"].get("upgrade-stamp")
    if succeeded is None:
        target.note("no unattended upgrade has run yet; the check fails if none does in time")
    elif (days := (facts["clock"] - succeeded) / DAY) > allowed:
        problems.append(f"the last unattended upgrade that succeeded was {days:.0f} days ago; allowed are {allowed}")
    empty(problems, "updates that do not arrive")
