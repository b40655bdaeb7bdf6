"""The host's packages by their own name and by their source's, which is the name that a security advisory has."""

from __future__ import annotations

import difflib
import re
import subprocess
from dataclasses import dataclass

from commands import Problem, must

FORMAT = "${db:Status-Status} ${Package} ${Architecture} ${source:Package} ${Version} ${source:Version}\\n"
# dpkg's words for what is there, whole or not; its warnings begin with none of them.
THERE = ("installed", "unpacked", "half-installed", "half-configured", "triggers-awaited", "triggers-pending")
POLICY = re.compile(r"^(\S+):$|^  Candidate: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Binary:
    """One installed package, by the name that apt has for it."""

    name: str
    source: str
    version: str
    source_version: str


def apt_name(package: str, architecture: str, native: str) -> str:
    """Return apt's name of a package: with the architecture where it is a foreign one."""
    return package if architecture in (native, "all") else f"{package}:{architecture}"


def native_architecture() -> str:
    """The architecture of this host."""
    return must("dpkg", "--print-architecture")


def read(text: str, native: str) -> list[Binary]:
    """What is installed, from dpkg-query's answer."""
    lines = [line.split(" ") for line in text.splitlines()]
    return [Binary(apt_name(line[1], line[2], native), *line[3:6]) for line in lines if line[0] in THERE]


def installed() -> list[Binary]:
    """Every installed package."""
    return read(must("dpkg-query", "-W", "-f", FORMAT), native_architecture())


def by_name() -> dict[str, Binary]:
    """Every installed package, by apt's name."""
    return {one.name: one for one in installed()}


def named(name: str, among: list[Binary]) -> list[Binary]:
    """The packages that are called so, on every architecture, or come from a source that is."""
    return [one for one in among if name in (one.name.partition(":")[0], one.source)]


def candidates(text: str) -> dict[str, str]:
    """The version that apt would install of each package, from the answer of apt-cache policy."""
    found, package = {}, ""
    for header, version in POLICY.findall(text):
        package = header or package
        if version:
            found[package] = version
    return found


def must_be_known(name: str, among: list[Binary]) -> None:
    """Raise a Problem where neither a binary nor a source of this name is in apt's lists, as after a typing error."""
    wanted = (["Package:", name], ["Source:", name])
    with subprocess.Popen(["apt-cache", "dumpavail"], stdout=subprocess.PIPE, text=True, errors="replace") as lists:
        assert lists.stdout
        if any(line.split()[:2] in wanted for line in lists.stdout if line.startswith(("Package:", "Source:"))):
            return
    if lists.returncode:
        raise Problem(f"apt-cache dumpavail: exit code {lists.returncode}")
    near = difflib.get_close_matches(name, sorted({one.name for one in among} | {one.source for one in among}), n=1)
    advice = f"; did you mean {near[0]}?" if near else ""
    raise Problem(f"apt knows no package and no source of the name {name!r}{advice}")
