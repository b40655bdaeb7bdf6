"""Lines of sshd's configuration that are not holdfast's: which of them open the door further, and where they stand.

sshd keeps the first value that it reads for most keywords, adds up a few (AllowGroups, ListenAddress, …), and lets a
``Match`` block override them all. So a later plain line is beaten by our drop-in; an earlier one, an added one and one
inside ``Match`` is not, and only its owner can take it away.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keywords of the drop-in whose first value wins: an earlier line would beat ours.
FIRST_WINS = frozenset(
    {
        "addressfamily",
        "allowagentforwarding",
        "allowstreamlocalforwarding",
        "allowtcpforwarding",
        "authenticationmethods",
        "authorizedkeyscommand",
        "authorizedkeysfile",
        "authorizedprincipalscommand",
        "authorizedprincipalsfile",
        "challengeresponseauthentication",
        "ciphers",
        "clientalivecountmax",
        "clientaliveinterval",
        "exposeauthinfo",
        "forcecommand",
        "gatewayports",
        "gssapiauthentication",
        "gssapikeyexchange",
        "hostbasedauthentication",
        "hostkeyalgorithms",
        "ignorerhosts",
        "kbdinteractiveauthentication",
        "kerberosauthentication",
        "kexalgorithms",
        "logingracetime",
        "loglevel",
        "macs",
        "maxauthtries",
        "maxsessions",
        "maxstartups",
        "modulifile",
        "passwordauthentication",
        "permitemptypasswords",
        "permitopen",
        "permitrootlogin",
        "permittunnel",
        "permituserenvironment",
        "persourcemaxstartups",
        "persourcenetblocksize",
        "persourcepenalties",
        "persourcepenaltyexemptlist",
        "pubkeyacceptedalgorithms",
        "pubkeyacceptedkeytypes",
        "pubkeyauthentication",
        "requiredrsasize",
        "strictmodes",
        "trustedusercakeys",
        "usedns",
        "usepam",
        "x11forwarding",
    }
)

# Keywords that can widen access, with the values that cannot. An empty tuple: every value can.
WIDENING: dict[str, tuple[str, ...]] = {
    "allowagentforwarding": ("no",),
    "allowgroups": (),
    "allowstreamlocalforwarding": ("no",),
    "allowtcpforwarding": ("no",),
    "allowusers": (),
    "authenticationmethods": ("publickey",),
    "authorizedkeyscommand": ("none",),
    "authorizedkeysfile": ("none",),
    "authorizedprincipalscommand": ("none",),
    "authorizedprincipalsfile": ("none",),
    "challengeresponseauthentication": ("no",),
    "disableforwarding": ("yes",),
    "gatewayports": ("no",),
    "gssapiauthentication": ("no",),
    "hostbasedauthentication": ("no",),
    "ignorerhosts": ("yes",),
    "kbdinteractiveauthentication": ("no",),
    "kerberosauthentication": ("no",),
    "passwordauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "permitlisten": ("none",),
    "permitopen": ("none",),
    "permitrootlogin": ("no",),
    "permittunnel": ("no",),
    "permituserenvironment": ("no",),
    "pubkeyacceptedalgorithms": (),
    "pubkeyacceptedkeytypes": (),
    "trustedusercakeys": ("none",),
    "x11forwarding": ("no",),
}

# Refused wherever it stands: sshd adds these to ours, or the line names a second authority over who gets in.
REFUSED_ANYWHERE = frozenset(
    {
        "allowgroups",
        "allowusers",
        "authorizedkeyscommand",
        "authorizedprincipalscommand",
        "authorizedprincipalsfile",
        "listenaddress",
        "trustedusercakeys",
    }
)

_MAX_DEPTH = 16  # sshd's own limit for nested Include lines


class Line(NamedTuple):
    """One configuration line: where it stands, its keyword in lower case, and the Match line above it ("" if none)."""

    file: str
    number: int
    text: str
    keyword: str
    args: tuple[str, ...]
    match: str


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    """Return keyword (lower case) and arguments of a line; ("", ()) for blanks and comments."""
    found = re.match(r"\s*([^\s#=\"]+)\s*=?\s*(.*)", text)
    if found is None:
        return "", ()
    try:
        args = shlex.split(found[2], comments=True)
    except ValueError:
        args = found[2].split()
    return found[1].lower(), tuple(args)


def read_lines(main: str, ours: str, *, match: str = "", depth: int = 0) -> Iterator[Line]:
    """Yield every line in the order in which sshd reads it; our own file appears as one line of keyword ``@ours``.

    Args:
        main: path of the file to start from.
        ours: path of our drop-in; takes its place in an Include that would read it, even while it does not exist.
        match: the Match line that holds where this file is included.
        depth: how many Include lines led here.

    """
    try:
        with open(main, encoding="utf-8", errors="replace") as handle:
            texts = handle.read().splitlines()
    except OSError:
        return
    for number, text in enumerate(texts, 1):
        keyword, args = _split(text)
        if not keyword:
            continue
        if keyword == "match":
            match = "" if [arg.lower() for arg in args] == ["all"] else text.strip()
            continue
        if keyword != "include":
            yield Line(main, number, text.strip(), keyword, args, match)
            continue
        for path in _included(args, os.path.dirname(ours), ours):
            if path == ours:
                yield Line(main, number, text.strip(), "@ours", (), match)
            elif depth < _MAX_DEPTH:
                # A Match block ends with the file that it stands in.
                yield from read_lines(path, ours, match=match, depth=depth + 1)


def _included(patterns: tuple[str, ...], drop_ins: str, ours: str) -> list[str]:
    """Return the files that an Include line reads, in sshd's order, with ours among them if a pattern covers it."""
    base = os.path.dirname(drop_ins)
    paths: list[str] = []
    for pattern in patterns:
        full = pattern if pattern.startswith("/") else os.path.join(base, pattern)
        found = set(glob.glob(full))
        if os.path.dirname(full) == drop_ins and fnmatch.fnmatchcase(os.path.basename(ours), os.path.basename(full)):
            found.add(ours)
        paths += sorted(found)
    return paths


def _harmless(line: Line) -> bool:
    """Tell whether the line's value cannot widen access."""
    values = tuple(arg.lower() for arg in line.args)
    return values != () and all(value in WIDENING.get(line.keyword, ()) for value in values)


def _judge(line: Line, *, before_ours: bool) -> tuple[str, bool]:
    """Return why the line matters ("" if it does not) and whether it is refused."""
    keyword = line.keyword
    widens = keyword in WIDENING and not _harmless(line)
    if line.match:
        return (f"overrides holdfast's setting where `{line.match}` holds", True) if widens else ("", False)
    elsewhere = keyword == "authorizedkeysfile" and not all(re.match(r"(%h/)?\.ssh/|none$", arg) for arg in line.args)
    if elsewhere or (keyword in REFUSED_ANYWHERE and not _harmless(line)):
        return ("is added to holdfast's setting, or decides beside it who gets in", True)
    if before_ours and keyword in FIRST_WINS and not _harmless(line):
        return ("is read before holdfast's drop-in and beats it", True)
    if keyword in {"denyusers", "denygroups"}:
        return ("keeps accounts out beside holdfast's own rule", False)
    return ("is beaten by holdfast's drop-in, which is read first" if widens else "", False)


def find_foreign(main: str, ours: str) -> list[dict[str, object]]:
    """Return the lines of other owners that touch who may log in and how.

    Args:
        main: sshd's main configuration file.
        ours: the drop-in that holdfast writes beside the others.

    Returns:
        dicts of ``file``, ``line`` (from 1; 0: the file as a whole), ``text``, ``why`` and ``refused`` (bool: it
        widens access in a way that the drop-in cannot beat).

    """
    lines = list(read_lines(main, ours))
    ours_at = next((at for at, line in enumerate(lines) if line.keyword == "@ours" and not line.match), -1)
    found: list[dict[str, object]] = []
    for at, line in enumerate(lines):
        why, refused = ("", False) if line.keyword == "@ours" else _judge(line, before_ours=at < ours_at)
        if why:
            entry: dict[str, object] = {"file": line.file, "line": line.number, "text": line.text}
            found.append({**entry, "why": why, "refused": refused})
    if ours_at < 0:
        why = f"has no plain line `Include {os.path.dirname(ours)}/*.conf` that reads {os.path.basename(ours)}"
        found.append({"file": main, "line": 0, "text": "", "why": why, "refused": True})
    return found


def find_command_line(defaults: str, units: tuple[str, ...]) -> list[dict[str, object]]:
    """Return the places that start sshd with options of their own: these beat every file.

    Args:
        defaults: the environment file of ssh.service (``SSHD_OPTS=``).
        units: glob patterns of the unit's own files and drop-ins.

    Returns:
        dicts as of :func:`find_foreign`.

    """
    found: list[dict[str, object]] = []
    for path in [defaults, *(name for pattern in units for name in sorted(glob.glob(pattern)))]:
        try:
            with open(path, encoding="utf-8", errors="replace") as handle:
                texts = handle.read().splitlines()
        except OSError:
            continue
        for number, text in enumerate(texts, 1):
            option = re.match(
                r"\s*(?:Environment=\"?)?SSHD_OPTS=[\"']?(?P<value>[^\"']*)|\s*ExecStart=(?P<exec>.+)", text
            )
            value = option and (option["value"] or option["exec"])
            # -D stays in the foreground, -e and -q are about logging.
            if value and re.search(r"(^|\s)-[fopcghEC]", value):
                why = "gives sshd options on its command line, which beat every file"
                found.append({"file": path, "line": number, "text": text.strip(), "why": why, "refused": True})
    return found
