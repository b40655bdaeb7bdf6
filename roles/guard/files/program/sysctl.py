"""Kernel settings: those of a commit, and those that files of sysctl.d say."""

from __future__ import annotations

import glob
import os

ROOT = "/proc/sys/"
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
    the 0 back at each boot.
    """
    return {
        key: value
        for key, value in wanted.items()
        if (now := read(key)) != " ".join(str(value).split()) and not (key.endswith(".accept_ra") and now == "0")
    }


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


def configured(paths: list[str]) -> dict[str, str]:
    """What files of sysctl.d say: a line for one setting outranks a pattern, which stands for each that there is."""
    one: dict[str, str] = {}
    many: dict[str, str] = {}
    for path in paths:
        if not os.path.exists(path):  # in check mode on a host that has none of ours yet
            continue
        with open(path, encoding="utf-8") as handle:
            lines = [line.strip() for line in handle]
        for line in lines:
            if line and line[0] not in "#;":
                key, _, value = (" ".join(part.split()) for part in line.partition("="))
                (many if "*" in key else one)[key] = value
    found = {
        match[len(ROOT) :].translate(SWAPPED): value
        for key, value in many.items()
        for match in sorted(glob.glob(path_of(key)))
    }
    return {**found, **one}


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
        except OSError as error:
            refused.append(f"{key} = {value} ({error.strerror})")
    return did, refused
