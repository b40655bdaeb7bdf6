"""A backup, from the look at what is declared to the record that it went well."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import records
import repository
import restic
import retention
import sources
import wording
from failures import BackupError

INCOMPLETE = 3  # restic's exit code when something could not be read


def backup(order: dict[str, Any]) -> None:
    """Back up, write down that it went well, and let go of what is older than declared.

    Raises:
        BackupError: a source is missing, empty or a link, a file could not be read, restic failed.
    """
    sources.look_at_sources(order)
    if not records.was_made(order):
        repository.make_repository(order)
    began = time.monotonic()
    restic.must(order, "unlock")  # what a killed run left, were it its prune; those in use stay
    done = restic.run(order, "backup", "--json", "--host", order["host"], "--tag", "holdfast", "--", *order["sources"])
    if done.returncode == INCOMPLETE:
        files = unread(done.stderr)
        raise BackupError(
            "the backup is incomplete; these could not be read:\n" + "\n".join(files[: wording.SHOWN]), INCOMPLETE
        )
    if done.returncode:
        restic.fail(order, done)
    told = [wording.parsed(line) for line in done.stdout.split("\n") if '"summary"' in line][-1]
    record = {
        "time": records.now(),
        "snapshot": told["snapshot_id"],
        "files": told["total_files_processed"],
        "bytes": told["total_bytes_processed"],
        "added": told["data_added"],
        "seconds": round(time.monotonic() - began, 1),
        "sources": order["sources"],
    }
    records.write_down("last", record)
    print(
        f"snapshot {record['snapshot'][:8]}: {record['files']} files, {record['bytes']} bytes, "
        f"{record['added']} bytes new, {record['seconds']} s"
    )
    retention.forget(order)


def unread(stderr: str) -> list[str]:
    """The files that restic names in its errors."""
    found = []
    for line in filter(None, stderr.split("\n")):
        try:
            told = json.loads(line)
            error = told["error"]
            # Debian 12's restic tells the error's number, Debian 13's its words.
            reason = error.get("message") or os.strerror(int(error["Err"]))
            found.append(wording.plain(f"{told['item']}: {reason}"))
        except (ValueError, KeyError, TypeError, AttributeError):
            found.append(wording.plain(line))
    return found
