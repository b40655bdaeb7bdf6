"""Kernel settings of a commit."""

from __future__ import annotations


def path_of(key: str) -> str:
    """Path of a setting; a dot inside an interface's name is written as a slash, as sysctl(8) does."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


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
