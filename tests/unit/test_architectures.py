"""What is put on hosts runs on every architecture of Debian: no name of one stands in it."""

from __future__ import annotations

import re

from tests.unit.filters.support import ROOT

FOLDERS = ("roles", "library", "module_utils", "playbooks", "action_plugins", "filter_plugins", "lookup_plugins")
# As Debian, the kernel, the paths of libraries and container engines call them.
NAMES = (
    r"amd64|arm64|armel|armhf|aarch64|armv[0-9]\w*|i[3-6]86|x86[-_]64|x86|mips\w*|powerpc\w*|ppc64(el|le)?|riscv64|"
    r"loong(arch)?64|s390x"
)
ARCHITECTURE = re.compile(rf"(?i)(?<![a-z0-9])({NAMES})(?![a-z0-9])")
# A kernel's interface that has a number for each architecture has to be named by one: file, name, and why.
NEEDED: dict[tuple[str, str], str] = {}


def code_of(line: str) -> str:
    """Return a line without its comment, as Python, YAML, shell and the templates for them begin one."""
    return re.split(r"(?:^|\s)#|\{#", line, maxsplit=1)[0]


def named() -> set[tuple[str, str]]:
    """Return each file that is put on hosts, or decides what is, with each architecture that it names."""
    found = set()
    for path in [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]:
        if path.is_file() and path.suffix not in {".md", ".pyc"}:
            for line in path.read_text(encoding="utf-8").splitlines():
                found |= {(str(path.relative_to(ROOT)), match[1]) for match in ARCHITECTURE.finditer(code_of(line))}
    return found


def test_no_architecture_is_named() -> None:
    assert named() == set(NEEDED)


def test_a_name_is_told_from_a_comment_and_from_a_longer_word() -> None:
    line = "path: /usr/lib/x86_64-linux-gnu/x.so  # not /usr/lib/aarch64-linux-gnu"
    assert [match[0] for match in ARCHITECTURE.finditer(code_of(line))] == ["x86_64"]
    assert ARCHITECTURE.search("linux-image-amd64")
    assert not ARCHITECTURE.search("charm64 alarmhfx")
