"""Base images: a bare Debian as a VPS provider hands it over. Built once, then kept in the engine and as a tar file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.engine import Engine, cache_dir, detect
from lab.packages import install, on_path
from lab.progress import LabError, progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RELEASES = ("bookworm", "trixie")

# What a cloud image has and the hosts need to be reached and managed. No nftables: the firewall role brings it.
PACKAGES = (
    "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "python3", "python3-apt", "sudo", "iproute2", "procps",
    "ca-certificates",
)  # fmt: skip

# Host keys are made at the first boot, as cloud-init does; they must not lie in the image.
FIRST_BOOT_UNIT = """\
[Unit]
Description=Make the SSH host keys (as the provider's first boot does)
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service ssh.socket
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
"""

# Run inside the new system, one after the other.
BEGIN = f"""\
set -e
printf '%s' {shlex.quote(FIRST_BOOT_UNIT)} > /etc/systemd/system/provider-first-boot.service
systemctl enable provider-first-boot.service ssh.service >/dev/null 2>&1
"""
# They manage hardware that a container does not have.
MASK = """\
systemctl mask systemd-udevd.service systemd-networkd-wait-online.service getty@tty1.service console-getty.service \\
  systemd-logind-varlink.socket >/dev/null 2>&1
"""
END = """\
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /usr/sbin/policy-rc.d
: > /etc/machine-id
sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
printf 'PermitRootLogin prohibit-password\\n' > /etc/ssh/sshd_config.d/10-provider.conf
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /etc/apt/apt.conf.d/99mmdebstrap
"""
FINISH = BEGIN + MASK + END


def recipe_hash(release: str) -> str:
    """Return 12 hex digits that change whenever the image of that release would be built differently."""
    text = "\n".join((release, os.uname().machine, *PACKAGES, FINISH))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def mirrors(folder: Path = Path("/etc/apt")) -> tuple[str, str]:
    """Return (mirror, security mirror) from this machine's own apt sources; an empty text where there is none.

    $HOLDFAST_MIRROR and $HOLDFAST_SECURITY_MIRROR outrank them. Reads one-line and deb822 files.
    """
    main = os.environ.get("HOLDFAST_MIRROR", "")
    security = os.environ.get("HOLDFAST_SECURITY_MIRROR", "")
    found: list[tuple[str, str]] = []
    for path in sorted([folder / "sources.list", *folder.glob("sources.list.d/*")]):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"(?mi)^([a-z-]+):[ \t]*(.+)$", stanza))
                keys = {key.lower(): value for key, value in fields.items()}
                if "deb" in keys.get("types", "").split() and keys.get("enabled", "yes").lower() != "no":
                    found += [
                        (uri, suite) for uri in keys.get("uris", "").split() for suite in keys.get("suites", "").split()
                    ]
        else:
            found += re.findall(r"(?m)^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+.*\bmain\b", text)
    for uri, suite in found:
        base = suite.split("-")[0].split("/")[0]
        if base not in (*RELEASES, "bullseye", "forky", "sid", "stable", "testing"):
            continue
        if suite.endswith(("-security", "/updates")):
            security = security or uri.rstrip("/")
        elif suite == base:
            main = main or uri.rstrip("/")
    return main, security


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of this machine's cache, so that two runs do not build the same image twice."""
    with (cache_dir() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def bare(release: str, engine: Engine | None = None) -> str:
    """Return the engine's name of the bare image of "bookworm" or "trixie", built or loaded when it is not there.

    Seconds when it lies in the cache, one to two minutes when it must be built. Raises LabError.
    """
    if release not in RELEASES:
        raise LabError(f"no such release: {release!r}; the lab knows {' and '.join(RELEASES)}")
    engine = engine or detect()
    version = recipe_hash(release)
    image = f"localhost/holdfast/bare:{release}-{version}"
    if engine.inspect("image", image):
        return image
    with locked(f"bare-{release}"):
        if engine.inspect("image", image):
            return image
        archive = cache_dir() / f"bare-{release}-{version}.tar"
        if not archive.exists():
            _build(engine, release, archive)
            for old in cache_dir().glob(f"bare-{release}-*.tar"):
                if old != archive:
                    old.unlink()
        progress.say(f"loading the bare image of {release} into {engine.kind}")
        engine.run(
            "import",
            "--change",
            'CMD ["/sbin/init"]',
            "--change",
            "ENV container=" + engine.kind,
            str(archive),
            image,
            timeout=300,
        )
    return image


def _build(engine: Engine, release: str, archive: Path) -> None:
    """Write the root file system to ``archive``: with mmdebstrap from the Debian mirror, else upon a pulled image."""
    partial = archive.with_suffix(".part")
    mirror, _ = mirrors()
    if mirror and not on_path("mmdebstrap"):
        install("mmdebstrap")
    try:
        if on_path("mmdebstrap") and mirror:
            progress.say(f"building the bare image of {release} from the Debian mirror (one to two minutes, once)")
            mmdebstrap(release, partial, packages=PACKAGES, finish=FINISH)
        else:
            progress.say(f"building the bare image of {release} upon a pulled one (one to two minutes, once)")
            _pull(engine, release, partial)
        partial.rename(archive)
    finally:
        partial.unlink(missing_ok=True)


def mmdebstrap(release: str, target: Path, *, packages: Sequence[str], finish: str, form: str = "tar") -> None:
    """Write a minimal Debian with those packages to ``target``, after the script ``finish`` has run inside it.

    ``form``: "tar" or "directory". Raises LabError.
    """
    mirror, security = mirrors()
    sources = [f"deb {mirror} {release} main", f"deb {mirror} {release}-updates main"]
    if security:
        sources.append(f"deb {security} {release}-security main")
    log = cache_dir() / f"mmdebstrap-{target.stem}.log"
    command = [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", f"--format={form}",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--customize-hook=printf '%s' \"$HOLDFAST_FINISH\" | chroot \"$1\" sh", release, str(target), *sources,
    ]  # fmt: skip
    # An inherited file limit of a million makes some package scripts walk all of it.
    with log.open("wb") as handle:
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "HOLDFAST_FINISH": finish},
                stdout=handle,
                stderr=handle,
                check=False,
                timeout=900,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"mmdebstrap of {release} did not finish within 15 minutes; its log is {log}") from error
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        raise LabError(f"mmdebstrap of {release} failed; its log is {log}:\n{tail}")


def _pull(engine: Engine, release: str, target: Path) -> None:
    source = f"debian:{release}-slim"
    done = engine.run("pull", source, check=False, timeout=180)
    if done.returncode:
        raise LabError(
            f"cannot make a Debian {release} image: {engine.kind} cannot pull {source}, and there is no mmdebstrap "
            "or no mirror here. Install mmdebstrap and set HOLDFAST_MIRROR to a Debian mirror, or put an archive of "
            f"such a system at {target.with_suffix('.tar')}"
        )
    script = (
        "export DEBIAN_FRONTEND=noninteractive; set -e; apt-get -qq update; "
        f"apt-get -qq install -y --no-install-recommends {' '.join(PACKAGES)} >/dev/null; apt-get clean; {FINISH}"
    )
    container = engine.run(
        "create", "--label", "holdfast.build=1", source, "sh", "-c", script, timeout=180
    ).stdout.strip()
    try:
        engine.run("start", "--attach", container, timeout=900)
        engine.run("export", "--output", str(target), container, timeout=300)
    finally:
        engine.run("rm", "--force", container, check=False)
