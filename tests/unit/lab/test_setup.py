"""The set-up, on machines that are folders: which engine it takes, what it installs, and the one line it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = (
    "bash", "cat", "cp", "dirname", "env", "grep", "mkdir", "seq", "setsid", "sleep", "tail", "timeout", "touch",
)  # fmt: skip
DOCKER = '[ "$1" = --version ] && { echo "Docker version 28"; exit; }; [ -e "$STATE/serving" ]'
# As podman-docker brings it: podman under the name of docker.
IMITATION = 'echo "podman version 5.4"'
INSTALL = """
echo "apt-get $*" >>"$STATE/done"
[ -z "$APT_SAYS" ] || { echo "$APT_SAYS" >&2; exit 100; }
for word; do cp "$STATE/packages/$word/"* "$STATE/bin/" 2>/dev/null; done; exit 0
"""


class Machine:
    """A machine of one's own making: its PATH holds what a test puts there and the tools of every Debian."""

    def __init__(self, folder: Path) -> None:
        """Make a Debian with hybrid cgroups, root at the keyboard, and no engine at all."""
        self.folder = folder
        self.environment = {"STATE": str(folder), "APT_SAYS": ""}
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in TOOLS:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.file("etc/os-release", "ID=debian\n")
        self.user(0, "root")
        self.program("bin/apt-get", INSTALL)
        self.program("bin/apt-cache", '[ "$2" = docker-cli ]')
        for package, programs in {
            "docker.io": {"dockerd": 'touch "$STATE/serving"'},
            "docker-cli": {"docker": DOCKER},
            "iptables": {"iptables": ""},
            "podman": {"podman": ""},
            "runc": {"runc": ""},
        }.items():
            for name, script in programs.items():
                self.program(f"packages/{package}/{name}", script)

    def file(self, path: str, text: str) -> Path:
        """Write a file of the machine."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def program(self, path: str, script: str) -> None:
        """Write a program of the machine."""
        self.file(path, f"#!{shutil.which('bash')}\n{script}\n").chmod(0o755)

    def user(self, uid: int, *groups: str) -> None:
        """Say who is at the keyboard."""
        self.program(
            "bin/id", f"case $1 in -u) echo {uid};; -un) echo {groups[0]};; -nG) echo {' '.join(groups)};; esac"
        )

    def podman(self) -> None:
        """Install podman with all that it needs."""
        for path in ("bin/podman", "bin/runc", "bin/iptables", "usr/lib/podman/netavark"):
            self.program(path, "")

    def run(self, command: str = "tools/engine", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the project's on this machine."""
        env = {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "HOLDFAST_CACHE": str(self.folder / "cache"),
            "HOLDFAST_MACHINE": str(self.folder),
            **self.environment,
            **environment,
        }
        return subprocess.run(
            [self.bin / "bash", "-c", command],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def done(self) -> list[str]:
        """What apt-get was asked for."""
        path = self.folder / "done"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def installed(self) -> list[str]:
        """The packages of the last installation."""
        words = self.done[-1].split() if self.done else []
        return words[words.index("--no-install-recommends") + 1 :] if words else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A bare Debian."""
    return Machine(tmp_path)


def test_docker_that_answers_is_taken_in_silence(machine: Machine) -> None:
    machine.program("bin/docker", DOCKER)
    machine.file("serving", "")
    machine.podman()
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("groups", "environment", "said"),
    [
        (("ann", "ann"), {}, "needs root, or a user who may use docker"),
        (("ann", "docker"), {}, "sudo systemctl start docker"),
        (("ann", "docker"), {"HOLDFAST_ENGINE": "podman"}, "podman can be used as root only"),
        (("root",), {"HOLDFAST_ENGINE": "lxc"}, "it may be docker or podman"),
    ],
)
def test_who_cannot_have_an_engine_is_told_in_one_line(
    machine: Machine, groups: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    machine.user(0 if "root" in groups else 1000, *groups)
    machine.podman()
    machine.program("bin/docker", IMITATION)
    done = machine.run(**environment)
    assert (done.returncode, done.stdout, machine.done) == (1, "", [])
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize("docker", ["absent", "without a server", "an imitation"])
def test_podman_is_taken_where_docker_is_not(machine: Machine, docker: str) -> None:
    machine.podman()
    if docker != "absent":
        machine.program("bin/docker", DOCKER if docker == "without a server" else IMITATION)
    done = machine.run()
    assert (done.returncode, done.stderr, machine.done) == (0, "", [])


@pytest.mark.parametrize("environment", [{}, {"HOLDFAST_ENGINE": "docker"}], ids=["by itself", "asked for"])
def test_root_on_debian_gets_docker_installed_and_started(machine: Machine, environment: dict[str, str]) -> None:
    done = machine.run(**environment)
    assert done.returncode == 0, done.stderr
    assert machine.installed == ["docker.io", "iptables", "docker-cli"]
    assert "starting docker" in done.stdout


def test_podman_is_installed_when_it_is_asked_for(machine: Machine) -> None:
    assert machine.run(HOLDFAST_ENGINE="podman").returncode == 1  # the stand-in for netavark is never installed
    assert machine.installed == ["podman", "runc", "netavark", "aardvark-dns", "iptables"]


def test_podman_is_completed_rather_than_joined_by_docker(machine: Machine) -> None:
    machine.podman()
    (machine.bin / "runc").unlink()
    assert machine.run().returncode == 0
    assert machine.installed == ["runc"]


def test_runc_is_for_hybrid_cgroups_only(machine: Machine) -> None:
    machine.podman()
    (machine.bin / "runc").unlink()
    machine.file("sys/fs/cgroup/cgroup.controllers", "cpu")
    assert machine.run().returncode == 0
    assert machine.done == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [({}, "install docker or podman"), ({"HOLDFAST_ENGINE": "podman"}, "install podman runc netavark aardvark-dns")],
)
def test_elsewhere_nothing_is_installed(machine: Machine, environment: dict[str, str], said: str) -> None:
    machine.file("etc/os-release", "ID=arch\n")
    done = machine.run(**environment)
    assert (done.returncode, done.stdout, machine.done) == (1, "", [])
    assert said in done.stderr


@pytest.mark.parametrize(
    ("apt_says", "said"),
    [
        ("Err:1 http://m.example trixie InRelease\n  Could not connect to m.example:80", "nothing answers there"),
        ("E: You don't have enough free space; write error: No space left on device", "the disk is full"),
        ("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)", "another apt is at work"),
        ("E: something that nobody foresaw\n\n", "failed: E: something that nobody foresaw (its log: "),
    ],
)
def test_what_fails_says_in_one_line_what_to_do(machine: Machine, apt_says: str, said: str) -> None:
    done = machine.run(APT_SAYS=apt_says)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert machine.run().returncode == 0, "run again, it goes on"


def test_a_cache_that_cannot_be_written_is_named(machine: Machine) -> None:
    done = machine.run("tools/setup", HOLDFAST_CACHE="/dev/null/cache")
    assert done.returncode == 1
    assert done.stderr == (
        "holdfast: cannot write to /dev/null/cache: "
        "name a folder of yours in HOLDFAST_CACHE, or see who owns that one\n"
    )


def test_a_long_step_shows_that_it_lives(machine: Machine) -> None:
    began = "set -euo pipefail; . tools/common.sh; SIGN_OF_LIFE=1; work 'doing it' sleep 2.5; say done"
    lines = machine.run(began).stdout.splitlines()
    assert lines[0].endswith("doing it")
    assert any("still at it" in line for line in lines)
    assert lines[-1].endswith("done")
