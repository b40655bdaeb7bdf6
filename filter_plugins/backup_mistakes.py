"""The `backup_mistakes` filter: backups that would not happen, or would not be worth their name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEAST = 16  # characters that a guesser cannot foresee: 52 bits, when each counts no more than a digit's 3.3
KNOWN = ("password", "passwort", "secret", "backup", "restic", "holdfast", "repository", "changeme", "server")
FIX = "openssl rand -base64 24 makes a good one; keep it outside the hosts, too: without it no backup can be read"


def finding(level: str, entry: str, key: str, value: Any, fix: str) -> dict[str, str]:
    """Return one finding in the form that all *_mistakes filters share."""
    return {"level": level, "entry": entry, "key": key, "value": str(value)[:60], "fix": fix}


def unforeseen(password: str, names: Iterable[str]) -> int:
    """Return how many characters are left without known words, years, repetitions and runs such as abcd or 4321."""
    text = password.lower()
    for word in sorted(
        {*KNOWN, *(name.lower() for name in names if len(name) > 2)}, key=lambda word: (-len(word), word)
    ):
        text = text.replace(word, "")
    text = re.sub(r"(19|20)[0-9]{2}", "", text)
    steps = [ord(later) - ord(earlier) for earlier, later in itertools.pairwise(text)]
    fresh = [index for index, step in enumerate(steps) if abs(step) > 1]
    # A pattern that comes again is told by its pairs.
    pairs = {text[index : index + 2] for index in fresh}
    return min(len(fresh), len(pairs)) + (1 if text else 0)


def password_mistakes(password: Any, names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield what is wrong with the repository's password, in words that hold nothing of it."""
    if not isinstance(password, str) or "\n" in password:
        yield finding("mistake", "vault", "backup.password", "no text on one line", f"write it in quotes: {FIX}")
    elif unforeseen(password, names) < LEAST:
        weak = f"weak: fewer than {LEAST} characters that cannot be foreseen"
        yield finding("mistake", "vault", "backup.password", weak, FIX)


def path_mistakes(cat: Any, place: str) -> Iterator[dict[str, str]]:
    """Yield paths that lead elsewhere, or hold the repository, which on the host itself lies in `place`."""
    paths = [("policy", "backup.paths", item["path"], item["path"]) for item in cat["policy"]["backup"]["paths"]]
    for service in cat["services"]:
        entry, home = f"service {service['name']}", f"/srv/{service['name']}/shared"
        named = (service.get("backup") or {}).get("paths", [])
        paths += [(entry, "backup.paths", path, f"{home}/{path}") for path in named]
    for entry, key, path, whole in paths:
        if {".", "..", ""} & set(path.strip("/").split("/")):
            yield finding("mistake", entry, key, path, "write the path without `.`, `..` and doubled slashes")
        elif whole.split("/")[1] in {"proc", "sys", "dev", "run"}:
            yield finding("mistake", entry, key, path, "name files on a disk: these are made anew at each start")
        elif place and f"{place}/".startswith(f"{whole.rstrip('/')}/"):
            yield finding("mistake", entry, key, path, f"the repository {place} lies in it: move one of them")


def backup_mistakes(cat: Any, secrets: Any) -> list[dict[str, str]]:
    """Return what is wrong with the backups as [{level, entry, key, value, fix}], sorted.

    cat: the catalogue, also a tolerant one. secrets: vault.backup. Verdicts come out, never a value. Never raises.
    """
    secrets = secrets if isinstance(secrets, Mapping) else {}
    backup = cat["policy"]["backup"]
    repository = backup.get("repository") or {}
    url = repository.get("url") or ""
    wanting = [f"service {s['name']}" for s in cat["services"] if (s.get("backup") or {}).get("paths")]
    wanting += ["policy.backup.paths"] if backup["paths"] else []
    found = [*path_mistakes(cat, url if url.startswith("/") else "")]
    for service in cat["services"]:
        if (service.get("backup") or {}).get("database"):
            fix = "its database is not dumped yet: write the dump into one of backup.paths by a schedule of the service"
            found.append(finding("warning", f"service {service['name']}", "backup.database", "true", fix))
    if wanting and not url:
        fix = f"nothing of {', '.join(wanting)} is backed up: say where to, {{url: ...}}"
        found.append(finding("warning", "policy", "backup.repository", "nothing", fix))
    if url and not secrets.get("password"):
        # A vault that is not at hand is no wish to end the backups of every host, and to remove their password.
        fix = f"nothing is backed up without the repository's password: {FIX}"
        fix += "; or remove policy.backup.repository, and the hosts end their backups" if wanting else ""
        found.append(finding("mistake" if wanting else "warning", "vault", "backup.password", "nothing", fix))
    if secrets.get("password"):
        names = [*cat["hosts"], *(service["name"] for service in cat["services"])]
        found += password_mistakes(secrets["password"], names)
    if url.startswith("sftp://") and not repository.get("host_key"):
        fix = "write the server's public key, `type base64`: what `ssh-keyscan -t ed25519 SERVER` says, once compared"
        found.append(finding("mistake", "policy", "backup.repository.host_key", "nothing", fix))
    if url.startswith("/"):
        fix = "legal but weak: unless another disk is mounted there, the backups are lost with the host; sftp:// is not"
        found.append(finding("warning", "policy", "backup.repository.url", url, fix))
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"], item["fix"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"backup_mistakes": backup_mistakes}
