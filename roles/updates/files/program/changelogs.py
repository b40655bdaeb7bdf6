"""What the maintainers say of an update: its CVE ids and its day, from the changelog in the package itself."""

from __future__ import annotations

import email.utils
import gzip
import io
import re
import subprocess
import tarfile
import time
from dataclasses import dataclass, field

from commands import run

HEAD = re.compile(r"^\S+ \((\S+)\) ")
TRAILER = re.compile(r"^ -- .*>  (.*)$")
CVE = re.compile(r"CVE-\d{4}-\d{4,}")
FILE = re.compile(r"^\./usr/share/doc/[^/]+/changelog(\.Debian)?\.gz$")


@dataclass
class Changes:
    """What came after the installed version. ``days``: since when the first of it is there, None when untold."""

    cves: list[str] = field(default_factory=list)
    days: int | None = None


def changelog(deb: str) -> str:
    """Text of the changelog in a package; Debian's own before upstream's, which a native package calls by that name."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, check=True)
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            if member.isfile() and FILE.match(member.name) and (stream := archive.extractfile(member)):
                texts[member.name] = gzip.decompress(stream.read()).decode(errors="replace")
    return texts[min(texts, key=lambda name: "Debian" not in name)] if texts else ""


def newer(version: str, installed: str) -> bool:
    """Whether one version comes after another, by dpkg's own word."""
    return run("dpkg", "--compare-versions", version, "gt", installed)[0] == 0


def since(text: str, installed: str, now: float | None = None) -> Changes:
    """What the entries above the installed version say."""
    found = Changes()
    for line in text.splitlines():
        head, trailer = HEAD.match(line), TRAILER.match(line)
        if head and not newer(head[1], installed):
            break
        found.cves += [cve for cve in CVE.findall(line) if cve not in found.cves]
        if trailer:
            made = email.utils.parsedate_to_datetime(trailer[1].strip()).timestamp()
            found.days = max(0, int(((now or time.time()) - made) // 86400))
    return found
