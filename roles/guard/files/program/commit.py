"""The way in: plan, rehearse, save, arm the revert, swap, reload, see sshd listen."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import pwd
import shutil
from typing import Any

import accounts
import diff
import files
import keys
import rescue
import revert
import sshd
import sysctl
import tables
import units
from confirm import last_revert
from host import (
    KEPT,
    LAST,
    RUN,
    STAGING,
    STATE,
    STORE,
    UNIT_DIRECTORIES,
    GuardError,
    abort_unit,
    blank_report,
    checkpoint,
    held_by,
    log,
    must,
    read_state,
    revert_unit,
    run,
    sync_directory,
    transition,
    unlink,
    uptime,
    write_durably,
)
from rehearse import refusal

PROGRAM = "/usr/local/lib/holdfast/guard"


class Change:
    """Everything in which the host differs from the order."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Look at the host; nothing is touched."""
        self.order = order
        self.entries = files.differing(order["files"])
        self.pruned = files.undeclared(order["prune"], order["files"])
        self.accounts = accounts.Plan(order)
        self.steps, self.units_before = units.plan(order["units"])
        self.sysctl = sysctl.differing(order["sysctl"])
        self.drifted = tables.drifted(list(order["tables"]))
        self.seen = _last_ending()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        live = self.steps or self.sysctl or self.drifted
        return bool(self.entries or self.pruned or self.accounts.changed or live or self.unborn)

    @property
    def unborn(self) -> list[str]:
        """Accounts and groups that the order wants and the host lacks (in check mode on a fresh host)."""
        return self.accounts.missing

    def paths(self) -> list[str]:
        """Files that change or go."""
        return [entry["path"] for entry in self.entries] + self.pruned

    def reloads(self) -> list[str]:
        """Units whose files changed, or whose live rules were changed by hand, in the order's sequence."""
        at_once = {self.order["tables"][table] for table in self.drifted}
        return [unit for unit, owned in self.order["reload"].items() if unit in at_once or self._expanded(owned)]

    def restarts(self) -> list[str]:
        """Units that a revert has to let read their files again: sshd and the tables have ways back of their own."""
        return [unit for unit in self.reloads() if unit != "ssh" and unit not in self.order["tables"].values()]

    def _expanded(self, owned: list[str]) -> set[str]:
        return {path for path in self.paths() if any(fnmatch.fnmatchcase(path, pattern) for pattern in owned)}

    def says(self) -> list[str]:
        """The change in words."""
        said = diff.says(self.order, self.entries, self.pruned) + self.accounts.says
        said += [f"{verb} {name}" for verb, name in self.steps]
        said += [f"set {key} to {value}" for key, value in self.sysctl.items()]
        said += [f"load the table {table} anew: it was changed by hand" for table in self.drifted]
        return said + [f"create {name if ' ' in name else f'the account {name}'}" for name in self.unborn]


def commit(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order up to the point where only the fresh login is missing; mend the kernel's settings."""
    answer = _guarded(order)
    # Last, since some of them change with what a commit sets. Those of a commit are its own.
    settings = {
        key: value for key, value in sysctl.configured(order["sysctl_files"]).items() if key not in order["sysctl"]
    }
    did, answer["refused"] = sysctl.mend(settings, only_look=order["check_mode"])
    if did:
        answer["changed"] = True
        answer.setdefault("would" if order["check_mode"] else "did", []).extend(did)
    if did and not order["check_mode"]:
        log(f"{order['id']} by {order['who']}: {'; '.join(did)}")
    return answer


def _guarded(order: dict[str, Any]) -> dict[str, Any]:
    """Bring live what guards the door, and stay armed; the answer says what was done, or would be in check mode."""
    os.umask(0o077)
    os.makedirs(STORE, mode=0o700, exist_ok=True)
    state = read_state()
    if state and not order["check_mode"]:
        raise GuardError(held_by(state))
    change = Change(order)
    answer: dict[str, Any] = {"changed": bool(change), "closed": change.accounts.closed}
    if not change:
        return answer
    answer["would" if order["check_mode"] else "did"] = change.says()
    if order["diff"]:
        answer["diff"] = diff.texts(change.entries, change.pruned)
    refused = refusal(change.entries, change.pruned, order["validate"])
    if refused:
        raise GuardError(f"nothing was changed, the rehearsal failed: {refused}")
    if order["check_mode"]:
        return answer
    if change.unborn:
        raise GuardError(f"nothing was changed: no such account or group: {', '.join(change.unborn)}")
    with transition():
        state = read_state()
        if state:
            raise GuardError(held_by(state))
        if _last_ending() != change.seen:
            raise GuardError("nothing was changed: another run has changed this host at the same time; run again")
        saved = _save(change)
        _arm(change, saved)
        try:
            _swap(change)
        except (OSError, GuardError) as error:
            problems = revert.put_back(saved, f"the commit failed: {error}")
            rest = f" except {'; '.join(problems)}; it goes on trying" if problems else ""
            raise GuardError(f"{error}; the host put itself back{rest}") from error
        log(f"{order['id']} armed for {order['seconds']} s by {order['who']}: {'; '.join(answer['did'])}")
    checkpoint("armed")
    return {**answer, "armed": order["id"], "reverted": False}


def _last_ending() -> tuple[Any, ...]:
    """What tells whether a commit was confirmed or put back since: their ids."""
    return tuple(found.get("id") for found in (read_state(KEPT) or {}, last_revert()))


def _staged_before() -> set[str]:
    """Directories of the last commit: where a run that was killed before it was armed left its new files."""
    try:
        with open(STAGING, encoding="utf-8") as handle:
            return set(json.load(handle))
    except (FileNotFoundError, ValueError):
        return set()


def _save(change: Change) -> dict[str, Any]:
    """Write all that is new and all that a revert needs, but the state itself. A full disk ends it here."""
    order = change.order
    directories = {os.path.dirname(path) for path in change.paths()} | {"/etc"}
    files.sweep({d for d in _staged_before() | directories if os.path.isdir(d)})
    finals = keys.Finals(order)
    made: list[str] = []
    saved_files: dict[str, str] = {}
    try:
        write_durably(STAGING, json.dumps(sorted(directories)).encode())
        for entry in change.entries:
            made += files.make_parent(entry["path"])
            files.write_fresh(files.fresh_of(entry["path"]), entry["bytes"], *files.owner_of(entry), entry["mode"])
            saved_files[entry["path"]] = files.save_twin(entry["path"], finals.instead(entry["path"], entry["old"]))
        for path in change.pruned:
            if finals.gone(path):
                saved_files[path] = "final"
            else:
                saved_files[path] = files.save_twin(path, finals.instead(path, files.read(path)))
        checkpoint("staged")
        saved_accounts = change.accounts.stage()
        tables.save(list(order["tables"]))
        state = {
            "id": order["id"],
            "who": order["who"],
            "until": uptime() + order["seconds"],
            "seconds": order["seconds"],
            "login_as": order["login_as"],
            "files": saved_files,
            "made": made,
            "accounts": saved_accounts,
            "tables": list(order["tables"]),
            "units": change.units_before,
            "new_units": [name for name, old in change.units_before.items() if old["LoadState"] == "not-found"],
            "sysctl": sysctl.before(change.sysctl),
            "restart": change.restarts(),
            "unit_files": any(path.startswith(UNIT_DIRECTORIES) for path in change.paths()),
        }
        write_durably(LAST, blank_report())
        rescue.write(state)
        for directory in {os.path.dirname(path) for path in saved_files} | {"/etc"}:
            sync_directory(directory)
        checkpoint("saved")
    except (OSError, GuardError) as error:
        _drop_saved(change, made)
        raise GuardError(f"nothing was changed: {error}") from error
    return state


def _drop_saved(change: Change, made: list[str]) -> None:
    """Remove what was written for a commit that touched nothing."""
    directories = {os.path.dirname(path) for path in change.paths()} | {"/etc"}
    files.sweep({d for d in directories | set(made) if os.path.isdir(d)})
    accounts.drop_twins(dict.fromkeys(change.accounts.changed))
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _arm(change: Change, state: dict[str, Any]) -> None:
    """Start the timer, and the switch by which the connecting account can ask for the revert without sudo.

    The state is written last: whoever is killed before leaves a timer that finds nothing to do, never a state that no
    timer ends.
    """
    ident, seconds = state["id"], state["seconds"]
    # isolate would remove a transient timer; its default accuracy of a minute is too coarse; a failed try is repeated
    service = ["-p", "Type=oneshot", "-p", "Restart=on-failure", "-p", "RestartSec=2s", "-p", "StartLimitIntervalSec=0"]
    service += ["-p", "OOMScoreAdjust=-1000", "-p", "IgnoreOnIsolate=yes", "-p", "TimeoutStartSec=120s"]
    try:
        must(
            "systemd-run", "--quiet", f"--unit={revert_unit(ident)}", "--collect", f"--on-active={seconds}s",
            "--timer-property=AccuracySec=100ms", "--timer-property=IgnoreOnIsolate=yes", *service,
            f"{PROGRAM}-revert", ident, "it was not confirmed in time",
        )  # fmt: skip
        shutil.rmtree(RUN, ignore_errors=True)
        os.mkdir(RUN, 0o711)
        os.chmod(RUN, 0o711)
        os.mkdir(f"{RUN}/{ident}", 0o700)
        os.chown(f"{RUN}/{ident}", pwd.getpwnam(state["login_as"]).pw_uid, -1)
        must(
            "systemd-run", "--quiet", f"--unit={abort_unit(ident)}", "--collect",
            f"--path-property=PathExists={RUN}/{ident}/now",
            "--property=IgnoreOnIsolate=yes", *service[:4], f"{PROGRAM}-revert", ident, "the fresh login failed",
        )  # fmt: skip
        checkpoint("timer")
        write_durably(STATE, json.dumps(state).encode())
    except (OSError, GuardError, KeyError) as error:
        unlink(STATE)
        run("systemctl", "--no-block", "stop", f"{revert_unit(ident)}.timer", f"{abort_unit(ident)}.path")
        _drop_saved(change, state["made"])
        raise GuardError(f"nothing was changed, the guard could not be armed: {error}") from error
    checkpoint("state")


def _swap(change: Change) -> None:
    for number, entry in enumerate(change.entries):
        if number == len(change.entries) // 2:
            checkpoint("swapping")
        os.rename(files.fresh_of(entry["path"]), entry["path"])
    for path in change.pruned:
        unlink(path)
    for directory in {os.path.dirname(path) for path in change.paths()}:
        sync_directory(directory)  # before the state goes: a power loss brings nobody's old key back
    checkpoint("swapped")
    if any(path.startswith(UNIT_DIRECTORIES) for path in change.paths()):
        must("systemctl", "daemon-reload")
    change.accounts.swap()
    checkpoint("accounts")
    problems = sysctl.write(change.sysctl)
    if problems:
        raise GuardError("; ".join(problems))
    started = {name for verb, name in change.steps if verb == "start"}
    if "ssh.service" in started:
        sshd.end_strays()
    units.apply(change.steps)
    checkpoint("units")
    for unit in change.reloads():
        if unit not in started and f"{unit}.service" not in started:
            units.reload(unit)
        checkpoint(f"reloaded-{unit}")
    if "ssh" in change.reloads() or started & {"ssh", "ssh.service"}:
        sshd.wait_until_listening()
    checkpoint("listening")
