"""One host under verification: what it owes, what it says inside, how it looks from outside."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testinfra.host import Host

from verify.remote_call import RemoteError

if TYPE_CHECKING:
    from verify.backend import SudoSshBackend
    from verify.expected import Expected
    from verify.outside import Outside


@dataclass
class Target:
    """A host; `host` is testinfra's, as root."""

    expected: Expected
    backend: SudoSshBackend
    outside: Outside
    unreachable: str = ""
    """Why the host cannot be examined; empty while nothing is known against it."""
    notes: list[str] = field(default_factory=list)
    _facts: dict[str, Any] | None = None
    _services: dict[str, Any] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Inventory name."""
        return self.expected.name

    @property
    def host(self) -> Host:
        """testinfra's host."""
        return Host(self.backend)

    def inside(self) -> dict[str, Any]:
        """Everything that the host says about itself, asked once.

        Raises:
            RemoteError: the host cannot be entered; asked once only, so that every check says the same.
        """
        with self._lock:
            if self.unreachable:
                raise RemoteError(self.unreachable)
            if self._facts is None:
                users = [
                    "root",
                    *[one["name"] for one in self.expected.catalogue.data["people"]],
                    "holdfast-stranger",
                    "www-data",
                    "nobody",
                ]
                try:
                    self._facts = self._ask(
                        "inside",
                        {
                            "users": users,
                            "services": [one["name"] for one in self.expected.services],
                            "port": self.expected.port,
                            "kernel": sorted(self.expected.kernel),
                            "resolvers": self.expected.resolvers,
                        },
                    )
                except RemoteError as error:
                    self.unreachable = str(error)
                    raise
            return self._facts

    def services(self) -> dict[str, Any]:
        """Everything that the host says about its declared services, asked once.

        Raises:
            RemoteError: the host did not answer.
        """
        with self._lock:
            if self._services is None:
                self._services = self._ask("services", {"services": self.expected.services})
            return self._services

    def unread(self, kind: str) -> list[str]:
        """Units of the parts, or schedules, whose release could not be read here, of whatever release.

        Remarks of which services that is, and what is not judged of them.
        """
        for name in self.expected.unread_releases:
            self.note(
                f"{name}: its release cannot be read on the machine that verifies. Whatever release of it runs is "
                "judged; whether that is the declared one, and who can read that release, its credentials or "
                "the environment of its processes, is not"
            )
        templates = tuple(self.expected.unread(kind))
        return [unit for unit in self.services()["unread"] if unit.startswith(templates)] if templates else []

    def _ask(self, program: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run a program on the host; what it says is the host's word, and need not even be an answer.

        Raises:
            RemoteError: the host did not answer, or not with what the program gives.
        """
        answer = self.backend.call(program, params)
        if not isinstance(answer, dict):
            raise RemoteError(f"{program}: the host's answer is none: {str(answer)[:200]}")
        return answer

    @property
    def problem(self) -> str:
        """What explains most of what is broken, for one message instead of many; empty when nothing does."""
        if self.unreachable:
            return f"could not be examined: {self.unreachable}"
        user = self.outside.ssh.get("user", "")
        if self._facts is not None and user not in self.expected.ssh_users:
            return (
                f"lets {user} in, whom nobody declared: it was never hardened, or was opened again; "
                "run playbooks/site.yml first"
            )
        return ""

    @property
    def release(self) -> str:
        """Name of the host's system; empty before it was asked."""
        release = (self._facts or {}).get("release")
        return str(release.get("PRETTY_NAME", "")) if isinstance(release, dict) else ""

    def note(self, text: str) -> None:
        """Remark for the report that fails nothing."""
        if text not in self.notes:
            self.notes.append(text)

    def effective(self, user: str) -> dict[str, list[str]]:
        """What sshd does with an ordinary connection of a user, by sshd's own word."""
        for answer in self.inside()["sshd"]:
            if answer["connection"]["user"] == user:
                found: dict[str, list[str]] = answer["options"]
                return found
        return {}
