"""Runs on a host as root: make packages and publish each version in a signed repository of the host's own.

Standard input: [{repository, release: {Origin, Label, Codename}, packages: [{name, version, said, files, more}]}].
``said``: its changelog; ``files``: {path: text}; ``more``: further lines of the control file. A package may have
``scripts``, too: {postinst, prerm: text}, and ``copies``: {path: a program of the host that lies there}. The key is
made once.
"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path("/srv/repositories")
KEYRING = "/etc/apt/keyrings/sample.asc"
GPG = ["gpg", "--batch", "--quiet", "--homedir", "/root/sample-key", "--pinentry-mode", "loopback", "--passphrase", ""]


def call(*argv: str) -> str:
    """Run a program that has to succeed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def key() -> None:
    """Make the signing key, and let apt know its public half."""
    if Path(KEYRING).exists():
        return
    Path("/root/sample-key").mkdir(mode=0o700)
    call(*GPG, "--quick-generate-key", "Sample <sample@example.org>", "ed25519", "sign", "never")
    Path(KEYRING).write_text(call(*GPG, "--armor", "--export"))


def build(package: dict[str, Any], folder: Path) -> None:
    """Build one package."""
    tree = Path("/root/build") / f"{package['name']}-{package['version']}"
    when = email.utils.formatdate(time.time() - 5 * 86400)
    name, version = package["name"], package["version"]
    said = f"{name} ({version}) stable; urgency=medium\n\n  * {package['said']}\n\n -- A <a@example.org>  {when}\n"
    doc = tree / "usr/share/doc" / name / "changelog.Debian.gz"
    doc.parent.mkdir(parents=True)
    doc.write_bytes(gzip.compress(said.encode()))
    for path, text in package["files"].items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for path, program in package.get("copies", {}).items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, file)
    (tree / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n"
    (tree / "DEBIAN/control").write_text(f"{control}{package.get('more', '')}Description: a sample\n")
    for kind, text in package.get("scripts", {}).items():
        script = tree / "DEBIAN" / kind
        script.write_text(f"#!/bin/sh\nset -e\n{text}\n")
        script.chmod(0o755)
    call("dpkg-deb", "--root-owner-group", "--build", str(tree), str(folder))


def index(folder: Path, release: dict[str, str]) -> None:
    """Write and sign the lists of a repository."""
    entries = []
    for deb in sorted(folder.glob("*.deb")):
        data = deb.read_bytes()
        control = call("dpkg-deb", "--field", str(deb))
        sums = f"Size: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        entries.append(f"{control}Filename: ./{deb.name}\n{sums}")
    packages = "\n".join(entries).encode()
    (folder / "Packages").write_bytes(packages)
    fields = {**release, "Date": email.utils.formatdate(usegmt=True), "Architectures": "all amd64 arm64"}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += ["SHA256:", f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages"]
    (folder / "Release").write_text("\n".join(lines) + "\n")
    call(*GPG, "--yes", "--clearsign", "--output", str(folder / "InRelease"), str(folder / "Release"))


def main() -> None:
    """Publish what standard input names, and let apt know the repositories instead of the network's."""
    key()
    orders = json.load(sys.stdin)
    for order in orders:
        folder = ROOT / order["repository"]
        folder.mkdir(parents=True, exist_ok=True)
        for package in order["packages"]:
            build(package, folder)
        index(folder, order["release"])
    for old in Path("/etc/apt/sources.list.d").glob("*"):
        old.unlink()
    Path("/etc/apt/sources.list").write_text("")
    sources = [f"deb [signed-by={KEYRING}] file:{folder} ./\n" for folder in sorted(ROOT.iterdir())]
    Path("/etc/apt/sources.list.d").mkdir(exist_ok=True)
    Path("/etc/apt/sources.list.d/sample.list").write_text("".join(sources))


if __name__ == "__main__":
    main()
