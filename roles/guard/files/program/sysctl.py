"""Kernel settings: those of a commit, and those that files of sysctl.d say."""

from __future__ import annotations

import contextlib
import glob
import os

from host import GuardError

ROOT = "/proc/sys/"
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
# What the kernel sets by itself when a setting changes (inet_forward_change in its net/ipv4/devinet.c).
FOLLOWING = {"net.ipv4.ip_forward": "net.ipv4.conf.all.accept_redirects"}
SWAPPED = str.maketrans("./", "/.")


def path_of(key: str) -> str:
    """Path of a setting; a dot inside an interface's name is written as a slash, as sysctl(8) does."""
    return ROOT + key.translate(SWAPPED)


def read(key: str) -> str:
    """Current value, white space folded."""
    with open(path_of(key), encoding="ascii") as handle:
        return " ".join(handle.read().split())


def differing(wanted: dict[str, str]) -> dict[str, str]:
    """Settings whose value is another one now.

    An accept_ra of 0 stays: there systemd-networkd has taken router advertisements over from the kernel, and would put
    the 0 back at each boot. A kernel without IPv6 has none of its settings.
    """
    found = {}
    for key, value in wanted.items():
        if key.startswith("net.ipv6.") and not os.path.isdir(path_of("net.ipv6")):
            continue
        try:
            now = read(key)
        except FileNotFoundError:
            raise GuardError(
                f"nothing was changed: the kernel has no setting {key}. Where it names a network card: the host has no "
                "card of that name"
            ) from None
        if now != " ".join(str(value).split()) and not (key.endswith(".accept_ra") and now == "0"):
            found[key] = value
    return found


def before(changing: dict[str, str]) -> dict[str, str]:
    """Values as they are, for a revert, in the order in which it writes them: with what follows of itself, after it."""
    keys = [one for key in changing for one in (key, FOLLOWING.get(key)) if one]
    return {key: read(key) for key in keys}


def write(values: dict[str, str]) -> list[str]:
    """Set values; return the problems met."""
    problems = []
    for key, value in values.items():
        try:
            with open(path_of(key), "w", encoding="ascii") as handle:
                handle.write(str(value))
        except OSError as error:
            problems.append(f"{key}: {error}")
    return problems


def configured(ours: list[str], folders: tuple[str, ...] = FOLDERS) -> dict[str, str]:
    """What files of sysctl.d say, where no other file outranks them."""
    return {key: value for key, (value, path) in _said(ours, folders).items() if path in ours}


def dropped(old: bytes, new: bytes) -> set[str]:
    """Settings, or patterns of some, that a file of sysctl.d said and says no more."""
    return {key for key, value in _lines(old) if value} - {key for key, value in _lines(new) if value}


def let_go(path: str, gone: list[str], folders: tuple[str, ...] = FOLDERS) -> list[str]:
    """Give settings that a file of sysctl.d says no more what other files say; return in words what became of each.

    What the kernel had before is known to nobody: such a setting keeps its value until the next start, and is named.
    """
    said, words, others = _said([path], folders), [], {}
    for key in sorted({each for one in gone for each in _settings(one)}):
        value, where = said.get(key, ("", ""))
        if not where:
            with contextlib.suppress(OSError, ValueError):  # the kernel has no such setting, or tells nobody
                words.append(f"{key} is declared no more, and stays {read(key)} until the next start")
        elif where != path:
            others[key] = value
    did, refused = mend(others, only_look=False)
    return [*words, *did, *refused]


def _lines(data: bytes) -> list[tuple[str, str]]:
    """The settings, or patterns of some, and values that a file of sysctl.d holds.

    `-key` without a value says of no setting what it is: it takes one out of the patterns.
    """
    found = []
    for line in map(str.strip, data.decode(errors="replace").split("\n")):
        if line and line[0] not in "#;":
            key, sign, value = (" ".join(part.split()) for part in line.lstrip("-").partition("="))
            if not sign and line[0] != "-":
                continue  # no assignment: systemd reads over it
            found.append((key.translate(SWAPPED) if "/" in key.partition(".")[0] else key, value))
    return found


def _settings(key: str) -> list[str]:
    """The settings that a pattern stands for; a setting itself."""
    if "*" not in key:
        return [key]
    return [match[len(ROOT) :].translate(SWAPPED) for match in sorted(glob.glob(path_of(key)))]


def _said(ours: list[str], folders: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Each setting that a file of sysctl.d says, with its value and the file whose word counts.

    As systemd-sysctl(8) reads them: by their names, the later one wins, and a line for one setting outranks a pattern,
    which stands for each setting that there is. So does a line that takes a setting out of them: nobody says it then.
    """
    one: dict[str, tuple[str, str]] = {}
    many: dict[str, tuple[str, str]] = {}
    for path in _by_name([*ours, *(path for folder in folders for path in glob.glob(f"{folder}/*.conf"))]):
        with open(path, "rb") as handle:
            for key, value in _lines(handle.read()):
                (many if "*" in key else one)[key] = (value, path)
    patterned = {each: said for key, said in many.items() if said[0] for each in _settings(key)}
    return {key: said for key, said in {**patterned, **one}.items() if said[0]}


def _by_name(paths: list[str]) -> list[str]:
    """The files that are there by their names; of two with the same name, the one that comes first here."""
    named: dict[str, str] = {}
    for path in paths:
        if os.path.exists(path):  # in check mode a host may have none of ours yet
            named.setdefault(os.path.basename(path), path)
    return [path for _, path in sorted(named.items())]


def mend(wanted: dict[str, str], *, only_look: bool) -> tuple[list[str], list[str]]:
    """Set what has another value now; return what was set, or would be, and what the kernel refuses, in words.

    For settings that guard no door: no revert knows of them, and a refusal ends nothing.
    """
    did, refused = [], []
    for key, value in wanted.items():
        try:
            if (now := read(key)) == value:
                continue
            if not os.access(path_of(key), os.W_OK):
                refused.append(f"{key} stays {now} instead of {value}")
                continue
            if not only_look:
                with open(path_of(key), "w", encoding="ascii") as handle:
                    handle.write(value)
                if (after := read(key)) != value:
                    refused.append(f"{key} stays {after} instead of {value}")
                    continue
            did.append(f"set {key} to {value}: it was {now}")
        except FileNotFoundError:
            refused.append(f"{key} is none of its settings")
        except (OSError, ValueError) as error:
            refused.append(f"{key} = {value} ({error})")
    return did, refused
