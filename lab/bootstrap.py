"""The root file system of a bare Debian: from the Debian mirror with mmdebstrap, or upon a pulled image."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import tarfile
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cache import cache_dir, locked
from lab.packages import is_debian, on_path
from lab.progress import LabError, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.engine import Engine

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
        if base not in ("bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing"):
            continue
        if suite.endswith(("-security", "/updates")):
            security = security or uri.rstrip("/")
        elif suite == base:
            main = main or uri.rstrip("/")
    return main, security


def build(engine: Engine, release: str, target: Path) -> None:
    """Write the root file system of a release to ``target``, in whichever way works here. Raises LabError.

    One to two minutes. Root on Debian asks the mirror first. Everybody else pulls first, since without root the mirror
    takes a detour through a container.
    """
    direct = os.geteuid() == 0 and is_debian()
    mirror = _directly if direct else _within_a_container
    failed = []
    for way in (mirror, _upon_pulled) if direct else (_upon_pulled, mirror):
        try:
            way(engine, release, target)
        except LabError as error:
            failed.append(str(error))
        else:
            return
    raise LabError(
        f"cannot make the image of Debian {release}: {'; '.join(failed)}. See to the network, or let HOLDFAST_MIRROR "
        "name a Debian mirror that answers, then run this again"
    )


def mmdebstrap(release: str, target: str, packages: Sequence[str] = PACKAGES, form: str = "tar") -> list[str]:
    """Return the command that bootstraps a release from this machine's mirror. Raises LabError where it has none.

    ``form``: "tar" or "directory".
    """
    mirror, security = mirrors()
    if not mirror:
        raise LabError("no Debian mirror in this machine's apt sources")
    sources = [f"deb {mirror} {release} main", f"deb {mirror} {release}-updates main"]
    if security:
        sources.append(f"deb {security} {release}-security main")
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}", f"--format={form}",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--customize-hook=printf '%s' \"$HOLDFAST_FINISH\" | chroot \"$1\" sh", release, target, *sources,
    ]  # fmt: skip


def _directly(_: Engine, release: str, target: Path) -> None:
    """Write the containers' system from the mirror, as root on this machine."""
    from_mirror(release, target)


def from_mirror(
    release: str, target: Path, *, packages: Sequence[str] = PACKAGES, finish: str = FINISH, form: str = "tar"
) -> None:
    """Run mmdebstrap as root on this machine, installed when it is missing; ``finish`` runs inside the new system."""
    command = mmdebstrap(release, str(target), packages, form)
    with locked("apt"):
        if not on_path("mmdebstrap"):
            apt = ["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "DPkg::Lock::Timeout=300"]
            _logged(release, "asking the Debian mirror what there is", [*apt, "update"])
            _logged(release, "installing mmdebstrap", [*apt, "install", "-y", "--no-install-recommends", "mmdebstrap"])
    _logged(
        release,
        f"building the image of {release} from the Debian mirror (one to two minutes, once)",
        command,
        finish=finish,
    )


# What mmdebstrap needs of this machine: its programs, its mirror and keys, the certificates.
BORROWED = ("/usr", "/etc/apt", "/etc/alternatives", "/etc/ssl")
MERGED = ("bin", "sbin", "lib", "lib64")


def _within_a_container(engine: Engine, release: str, target: Path) -> None:
    """Let the engine be root for mmdebstrap, in a container that borrows this machine's /usr: no image is needed.

    Nor need mmdebstrap be installed: everybody may fetch a package.
    """
    if not is_debian():
        raise LabError("this machine is not Debian and has no mirror")
    command = mmdebstrap(release, "-")
    image = f"localhost/holdfast/empty:{release}-{os.getpid()}"
    container = f"holdfast-build-{release}-{os.getpid()}"
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        _logged(release, "fetching mmdebstrap", ["apt-get", "-q", "download", "mmdebstrap"], folder=Path(folder))
        for package in Path(folder).glob("*.deb"):
            _logged(release, "unpacking it", ["dpkg-deb", "-x", str(package), folder])
        engine.run("import", "-", image, stdin=_empty_system())
        volumes = [f"--volume={path}:{path}:ro" for path in BORROWED]
        try:
            _logged(
                release,
                f"building the image of {release} from the Debian mirror, in a container (one to two minutes, once)",
                [
                    *engine.command, "run", "--rm", "--name", container, "--network", "host", "--cap-add", "SYS_ADMIN",
                    "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", *volumes,
                    f"--volume={folder}/usr/bin/mmdebstrap:/mmdebstrap:ro", "--env", "HOLDFAST_FINISH",
                    image, "/usr/bin/perl", "/mmdebstrap", *command[1:],
                ],
                output=target,
            )  # fmt: skip
        finally:
            engine.remove(container, check=False)
            engine.run("rmi", "--force", image, check=False)


def _empty_system() -> bytes:
    """Return a tar archive with the folders and links that a merged /usr needs around it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("etc", "usr", "tmp", "var/lib/dpkg", "root"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name in MERGED:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(entry)
    return buffer.getvalue()


def _upon_pulled(engine: Engine, release: str, target: Path) -> None:
    """Complete the registry's image of the release."""
    source = f"debian:{release}-slim"
    with progress.alive(f"asking the registry for {source}"):
        done = engine.run("pull", source, check=False, timeout=180)
    if done.returncode:
        raise LabError(f"{engine.kind} cannot pull {source}")
    script = (
        "export DEBIAN_FRONTEND=noninteractive; set -e; apt-get -qq update; "
        f"apt-get -qq install -y --no-install-recommends {' '.join(PACKAGES)} >/dev/null; apt-get clean; {FINISH}"
    )
    container = engine.run(
        "create", "--label", "holdfast.build=1", source, "sh", "-c", script, timeout=180
    ).stdout.strip()
    try:
        _logged(
            release,
            f"building the image of {release} upon the pulled one (one to two minutes, once)",
            [*engine.command, "start", "--attach", container],
        )
        engine.run("export", "--output", str(target), container, timeout=300)
    finally:
        engine.remove(container, check=False)


def _logged(
    release: str,
    what: str,
    command: Sequence[str],
    *,
    folder: Path | None = None,
    output: Path | None = None,
    finish: str = FINISH,
) -> None:
    """Run a command of at most 15 minutes with signs of life, its output in a log. Raises LabError with the cause.

    ``output``: a file for what it writes to standard output; then the log gets only the rest.
    """
    log = cache_dir() / f"bootstrap-{release}.log"
    env = {**os.environ, "HOLDFAST_FINISH": finish, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("wb") as handle, output.open("wb") if output else nullcontext(handle) as result, progress.alive(what):
        try:
            done = subprocess.run(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=result, stderr=handle, check=False,
                timeout=900,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{what} did not end within 15 minutes (its log: {log})") from error
        except FileNotFoundError as error:
            raise LabError(f"{what} failed: there is no {command[0]}") from error
    if done.returncode:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        # apt names the cause first; mmdebstrap ends with what it makes of it.
        causes = [line.strip() for line in lines if re.match(r"\s*(E:|W: Failed)", line)] or lines[-1:]
        raise LabError(
            f"{what.partition(' (')[0]} failed: {causes[0] if causes else 'it said nothing'} (its log: {log})"
        )
