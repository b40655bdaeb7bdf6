"""What is declared to be backed up was backed up lately."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from verify.outcome import not_applicable

if TYPE_CHECKING:
    from verify.target import Target


def declared(target: Target) -> list[str]:
    """Return what is to be backed up; where there is nothing, the check does not apply."""
    if not target.expected.backup_paths:
        not_applicable("nothing of this host is declared to be backed up")
    if not target.expected.backup_repository:
        not_applicable("no repository is declared that backups could go to")
    return target.expected.backup_paths


def hours_since(facts: dict[str, Any], record: dict[str, Any]) -> float:
    """Return the age of a record on the host's own clock."""
    then = dt.datetime.strptime(record["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    return (float(facts["clock"]) - then.timestamp()) / 3600


def test_recent(target: Target) -> None:
    """The last one that went well is not too old."""
    declared(target)
    facts = target.inside()
    last, made = facts["backup"]["last"], facts["backup"]["repository"]
    assert last or made, "there was never a backup, and no repository has been opened; run playbooks/backup.yml"
    limits = target.expected.policy["health"]["backup_hours"]
    hours = hours_since(facts, last or made)
    what = "the last backup that went well" if last else "there is no backup yet, and its repository was made"
    assert hours < limits["fail"], f"{what} {hours:.0f} hours ago; run playbooks/backup.yml"
    if not last or hours >= limits["warn"]:
        target.note(f"{what} {hours:.0f} hours ago")


def test_whole(target: Target) -> None:
    """It holds all that is declared."""
    wanted = declared(target)
    last = target.inside()["backup"]["last"]
    if last:
        missing = set(wanted) - set(last["sources"])
        assert not missing, f"not in the last backup: {', '.join(sorted(missing))}; run playbooks/backup.yml"


def test_by_itself(target: Target) -> None:
    """A timer starts it, and the last run did not fail."""
    declared(target)
    facts = target.inside()
    for name in ("holdfast-backup.timer", "holdfast-backup-check.timer"):
        assert facts["unit_files"].get(name) == "enabled", f"{name} is {facts['unit_files'].get(name, 'missing')}"
        assert facts["units"][name]["ActiveState"] == "active", f"{name} is {facts['units'][name]['ActiveState']}"
    for name in ("holdfast-backup-sources.service", "holdfast-backup.service", "holdfast-backup-check.service"):
        result = facts["units"].get(name, {}).get("Result", "missing")
        assert result == "success", f"{name} failed ({result}): journalctl -u {name}"
