"""The container engine: docker, or podman as root."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cache import cache_dir
from lab.packages import on_path
from lab.progress import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LABEL = "holdfast.lab"

# What systemd, nftables and the tests need inside a host. Never --privileged: it fails without CAP_SYS_RESOURCE and
# would show the host every device of this machine.
CAPABILITIES = (
    "SYS_ADMIN",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_PTRACE",
    "AUDIT_CONTROL",
    "AUDIT_WRITE",
    "SYSLOG",
    "DAC_READ_SEARCH",
)

# Docker's DROP of what is forwarded overrules what podman accepts in nftables of its own, so it has to share iptables.
PODMAN_CONF = """\
[network]
firewall_driver = "iptables"
"""
# Debian 12's podman asks for limits that a root without CAP_SYS_RESOURCE may not set; its crun refuses hybrid cgroups.
PODMAN_LIMITS = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4000:4000"]
[engine]
{runtime}cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def cgroup_v2() -> bool:
    """Tell whether this machine has the unified cgroup hierarchy."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def has_capability(number: int) -> bool:
    """Tell whether this process has the Linux capability with that number (24 is CAP_SYS_RESOURCE)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    ``kind`` is "docker" or "podman"; ``environment`` holds what its client needs besides the present environment.
    """

    kind: str
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def command(self) -> list[str]:
        """The client as an argument list that works from any process, environment included."""
        env = [f"{name}={value}" for name, value in self.environment]
        return ["env", *env, self.kind] if env else [self.kind]

    def run(
        self,
        *args: str,
        check: bool = True,
        timeout: float = 60,
        stdin: bytes | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGS…`` and return its result as text.

        ``timeout`` is in seconds. Raises LabError when it takes longer, or exits non-zero while ``check`` is true.
        """
        try:
            done = subprocess.run(
                [*self.command, *args], input=stdin, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"`{self.kind} {' '.join(args[:3])} …` did not finish within {timeout:g} s") from error
        except FileNotFoundError as error:
            raise LabError(f"{self.kind} is not installed") from error
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and result.returncode:
            raise LabError(f"`{self.kind} {' '.join(args)}` failed: {result.stderr.strip() or result.stdout.strip()}")
        return result

    def inspect(self, what: str, name: str) -> dict[str, Any] | None:
        """Return the inspection of a container, image or network as a dict, or None when there is none of that name."""
        done = self.run(what, "inspect", name, check=False)
        if done.returncode:
            return None
        found = json.loads(done.stdout)
        return dict(found[0]) if found else None

    def remove(self, *containers: str, check: bool = True) -> None:
        """Delete containers, running or not, without waiting for them to stop."""
        at_once = ["--time", "0"] if self.kind == "podman" else []  # docker never waits
        self.run("rm", "--force", "--volumes", *at_once, *containers, check=check, timeout=120)

    def host_options(self) -> list[str]:
        """Options of ``create`` for a container that runs systemd as a small virtual server does."""
        options = [option for name in CAPABILITIES for option in ("--cap-add", name)]
        options += ["--security-opt", "seccomp=unconfined"]
        # Off as on a new server: a new network namespace takes it from this machine, where the engine switched it on.
        options += ["--sysctl", "net.ipv4.ip_forward=0"]
        if Path("/sys/kernel/security/apparmor").is_dir() or self.kind == "docker":
            options += ["--security-opt", "apparmor=unconfined"]
        options += ["--tmpfs", "/tmp", "--stop-signal", "SIGRTMIN+3"]  # noqa: S108  the container's own
        if self.kind == "podman" and cgroup_v2():
            return [*options, "--systemd=always", "--cgroupns=private"]
        options += ["--tmpfs", "/run:exec", "--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
        return [*options, "--systemd=false"] if self.kind == "podman" else options


def _podman_environment() -> tuple[tuple[str, str], ...]:
    """Return the variables that name podman a configuration with which it works on this machine."""
    if os.environ.get("CONTAINERS_CONF"):
        return (("CONTAINERS_CONF", os.environ["CONTAINERS_CONF"]),)
    text = PODMAN_CONF
    constrained = not (cgroup_v2() and has_capability(24))
    if constrained:
        text += PODMAN_LIMITS.format(runtime='runtime = "runc"\n' if on_path("runc") else "")
    path = cache_dir() / "containers.conf"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as handle:
            handle.write(text)
        Path(handle.name).rename(path)
    # Debian 12's podman knows the former variable only, which hides the machine's own settings: not without need.
    name = "CONTAINERS_CONF" if constrained else "CONTAINERS_CONF_OVERRIDE"
    # Podman 5 warns of old cgroups with every command.
    return ((name, str(path)), ("PODMAN_IGNORE_CGROUPSV1_WARNING", "1"))


def _answers(engine: Engine) -> bool:
    """Only a server that answers counts: a docker client may be on the machine without any engine."""
    if engine.kind == "podman":
        # Rootless podman gives containers no address that Ansible could reach.
        return os.geteuid() == 0 and _succeeds(engine, "version")
    # podman's own imitation of docker answers to that name as well.
    return (
        _succeeds(engine, "version", "--format", "{{.Server.Version}}") and "Docker" in engine.run("--version").stdout
    )


def _succeeds(engine: Engine, *args: str) -> bool:
    try:
        return engine.run(*args, check=False, timeout=20).returncode == 0
    except LabError:
        return False


KINDS = ("docker", "podman")


def choose(environ: Mapping[str, str]) -> list[str]:
    """Return the engines to try, in order. Raises LabError when $HOLDFAST_ENGINE names an unknown one."""
    wanted = environ.get("HOLDFAST_ENGINE", "")
    if wanted and wanted not in KINDS:
        raise LabError(f"HOLDFAST_ENGINE is {wanted!r}; it may be {' or '.join(KINDS)}")
    return [wanted] if wanted else list(KINDS)


def answering(kinds: Iterable[str] = KINDS) -> Iterator[Engine]:
    """Yield those of the engines that answer."""
    for kind in kinds:
        engine = Engine(kind, _podman_environment() if kind == "podman" else ())
        if _answers(engine):
            yield engine


INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 1024  # a booted host takes about 15; the kernel's default of 128 is used up by eight of them


def allow_many_systemds() -> None:
    """Let this machine run more than a few hosts at once. Only root may; where it is refused, few hosts still work."""
    with contextlib.suppress(OSError, ValueError):
        if int(INOTIFY.read_text(encoding="ascii")) < INOTIFY_WANTED:
            INOTIFY.write_text(str(INOTIFY_WANTED), encoding="ascii")


@functools.cache
def detect() -> Engine:
    """Return the engine that answers, $HOLDFAST_ENGINE first. Raises LabError with what to do when none does."""
    for engine in answering(choose(os.environ)):
        allow_many_systemds()
        return engine
    raise LabError(
        "no container engine answers: run `make setup`, which installs and starts one or says what is missing"
    )
