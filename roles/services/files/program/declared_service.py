"""One declared service: brought up, or put back as it was when it was last up."""

from __future__ import annotations

import os
import time
from typing import Any

import health_question
import kept_files
import layout
import old_releases
import systemd_units
from systemd_units import NotUpError

GIVEN_UP = "/run/holdfast-given-up"  # whoever starts units after a handler lets those alone that are named here
NOTHING: dict[str, Any] = {"release": None, "parts": [], "schedules": [], "secrets": []}
UP_SECONDS = 30.0  # time to answer the health check
STAY_SECONDS = 2.0  # time for which a part without a health check has to stay up


class Service:
    """One declared service: its plan, and the record of what was started for it before."""

    def __init__(self, name: str, plan: dict[str, Any], record: dict[str, Any]) -> None:
        """Nothing is touched."""
        self.name, self.plan, self.record = name, plan, record
        self.release = plan["release"]
        self.started: set[str] = set()
        self.stopped: set[str] = set()
        self.last_up = f"{layout.SECRETS}/{name}/.last-up.json"  # there, since the secrets are in it

    def unit(self, part: str, kind: str = "service") -> str:
        """Name of the instance of the declared release."""
        return f"{self.name}-{part}@{self.release}.{kind}"

    @property
    def parts(self) -> set[str]:
        """Units of the declared parts."""
        return {self.unit(part["role"]) for part in self.plan["parts"]}

    @property
    def timers(self) -> set[str]:
        """Units of the declared schedules."""
        return {self.unit(name, "timer") for name in self.plan["schedules"]}

    def there(self) -> set[str]:
        """Parts and timers of whatever release that run, have failed or are enabled."""
        found: set[str] = set()
        for part in self.record["parts"]:
            found |= systemd_units.instances(f"{self.name}-{part}", "service")
        for schedule in self.record["schedules"]:
            found |= systemd_units.instances(f"{self.name}-{schedule}", "timer")
        return found

    def old_jobs(self) -> set[str]:
        """Jobs of schedules that are declared no more, and those of other releases that have ended, well or not."""
        found: set[str] = set()
        for schedule in self.record["schedules"]:
            jobs = systemd_units.instances(f"{self.name}-{schedule}", "service")
            declared = schedule in self.plan["schedules"]
            found |= {job for job in jobs - {self.unit(schedule)} if not systemd_units.runs(job)} if declared else jobs
        return found

    def old_commands(self) -> set[str]:
        """One-off commands of other releases that have ended; whoever asked for them has gone."""
        here = self.unit("run")
        return {
            unit
            for unit in systemd_units.instances(f"{self.name}-run", "service") - {here}
            if systemd_units.show(unit)["SubState"] != "start"
        }

    def note(self) -> None:
        """Record what is about to be started, so that a later run can end it even when this one is killed."""
        parts = {part["role"] for part in self.plan["parts"]} | set(self.record.get("parts", []))
        self.record["parts"] = sorted(parts)
        self.record["schedules"] = sorted({*self.plan["schedules"], *self.record.get("schedules", [])})
        ports = [part["port"] for part in self.plan["parts"] if part["port"]]
        self.record["ports"] = sorted({*ports, *self.record.get("ports", [])})
        kept_files.write(f"{layout.RECORDS}/{self.name}.json", self.record)

    def is_current(self, part: str, kind: str = "service") -> bool:
        """Whether the declared instance runs, and was started after all that it is made of was last changed."""
        state = systemd_units.show(self.unit(part, kind))
        if state["ActiveState"] != "active":
            return False
        key = "ExecMainStartTimestampMonotonic" if kind == "service" else "ActiveEnterTimestampMonotonic"
        started = time.time() - time.monotonic() + int(state[key]) / 1e6
        files = [f"{layout.UNITS}/{self.name}-{part}@.{kind}", layout.environment(self.name)]
        files += [f"{layout.SECRETS}/{self.name}/{secret}" for secret in self.plan["secrets"]]
        return all(os.stat(path).st_mtime <= started for path in files)

    def wait(self, part: dict[str, Any]) -> None:
        """Return once a part that was started is up. Raises NotUpError with its last words when it is not."""
        unit = self.unit(part["role"])
        first, began, answer = systemd_units.show(unit)["MainPID"], time.monotonic(), "no answer"
        while True:
            state = systemd_units.show(unit)
            if state["ActiveState"] != "active" or state["MainPID"] != first:
                raise systemd_units.ended(unit, state["Result"])
            spent = time.monotonic() - began
            if part["health"] is None and spent > STAY_SECONDS:
                return
            if part["health"] is not None:
                answer = health_question.ask(part, f"/run/{self.name}/{part['role']}-{self.release}.sock")
                if answer[:1] == "2":
                    return
                if spent > UP_SECONDS:
                    where = f"{part['health']} within {UP_SECONDS:.0f} s ({answer})"
                    raise NotUpError(f"{unit} did not answer {where}. It said last:\n{systemd_units.last_words(unit)}")
            time.sleep(0.1)

    def bring_up(self, until: float) -> None:
        """Start each part that does not run as declared. Raises NotUpError when one does not come up."""
        for part in self.plan["parts"]:
            unit = self.unit(part["role"])
            if self.is_current(part["role"]):
                continue
            if time.monotonic() > until:
                raise NotUpError(f"{unit} was not started: the services before it took all the time. Run again.")
            active = [
                one
                for one in systemd_units.instances(f"{self.name}-{part['role']}", "service")
                if one != unit and systemd_units.runs(one)
            ]
            if part["port"] and active:
                print(f"{unit}: port {part['port']} cannot be held twice, so {' '.join(active)} was stopped first")
                self.stopped |= set(active)
                systemd_units.systemctl("stop", *active)
            self.started.add(unit)
            if wrong := systemd_units.systemctl("restart", unit):
                # One that ends at once does so before or after systemd counts it as started: of both the same is said.
                if (result := systemd_units.show(unit)["Result"]) != "success":
                    raise systemd_units.ended(unit, result)
                raise NotUpError(f"{unit} did not start: {wrong} It said last:\n{systemd_units.last_words(unit)}")
            self.wait(part)
            print(f"{unit} is up" + (f", instead of {' '.join(active)}" if active else ""))

    def finish(self, keep: int) -> None:
        """Enable what is up, stop what it replaced, keep what a way back needs, and forget old releases."""
        wanted = sorted(self.parts | self.timers)
        if wrong := systemd_units.systemctl("enable", *wanted) if wanted else "":
            raise NotUpError(wrong)
        for name in self.plan["schedules"]:
            timer = self.unit(name, "timer")
            if not self.is_current(name, "timer"):
                self.started.add(timer)
                if wrong := systemd_units.systemctl("restart", timer):
                    raise NotUpError(wrong)
        systemd_units.end(self.there() - self.parts - self.timers)
        systemd_units.end(self.old_jobs() | self.old_commands())
        releases = [one for one in self.record.get("releases", []) if one != self.release]
        releases += [self.release] if self.release else []
        kept = releases[-(keep + 1) :]
        done = {
            "parts": [part["role"] for part in self.plan["parts"]],
            "schedules": self.plan["schedules"],
            "ports": [part["port"] for part in self.plan["parts"] if part["port"]],
            "releases": kept,
        }
        files = {path: kept_files.content(path) for path in layout.files_of(self.name, self.plan)}
        # What a way back has brought again, and this release does without.
        kept_files.drop(set(kept_files.read(self.last_up).get("files", {})) - set(files))
        kept_files.write(self.last_up, {"plan": self.plan, "files": files})
        kept_files.write(f"{layout.RECORDS}/{self.name}.json", done)
        old_releases.sweep(f"/srv/{self.name}/releases", kept)

    def put_back(self) -> str:
        """Bring back what was last up, or nothing where there was none; return in words what runs now.

        The plan that stays differs from every declared one: the next run tries again, and may not find all well.
        """
        for unit in self.parts | self.timers:
            os.makedirs(GIVEN_UP, exist_ok=True)
            with open(f"{GIVEN_UP}/{unit}", "w", encoding="utf-8"):
                pass
        systemd_units.end(self.started)
        good = kept_files.read(self.last_up)
        if not good and self.record.get("releases"):
            # Something was up, and what it consisted of is not known: so it stays as it runs.
            kept_files.write(f"{layout.PLANS}/{self.name}.json", {**self.plan, "not_up": self.release})
            wrong = systemd_units.systemctl("start", *sorted(self.stopped)) if self.stopped else ""
            return f"what ran before could not be started again: {wrong}" if wrong else "what ran before runs on"
        good = good or {"plan": NOTHING, "files": {}}
        kept_files.drop(set(layout.files_of(self.name, self.plan)) - set(good["files"]))
        for path, kept in good["files"].items():
            kept_files.put(path, kept)
        kept_files.write(f"{layout.PLANS}/{self.name}.json", {**good["plan"], "not_up": self.release})
        systemd_units.systemctl("daemon-reload")
        old = Service(self.name, good["plan"], self.record)
        wanted = sorted(old.parts | old.timers)
        systemd_units.end(self.there() - set(wanted))
        if not wanted:
            return "nothing of it was ever up"
        if wrong := systemd_units.systemctl("enable", *wanted) or systemd_units.systemctl("start", *wanted):
            return f"{' '.join(wanted)}, which ran before, could not be started again: {wrong}"
        return f"put back as it was last up: {' '.join(wanted)}"
