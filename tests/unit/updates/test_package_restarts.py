"""What packages' scripts may do to units: amid the job that upgrades unattended, and everywhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import commands
import lasting
import old_libraries
import package_restarts
import pytest
import reboot_need
import updates
from commands import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., int]

SCRIPT = Path(__file__).parents[3] / "roles/updates/files/policy-rc.d"
YES, NO = 104, 101
# As systemctl answers. It tells of every unit that a pattern fits, with an empty line between two.
SYSTEMCTL = r"""#!/bin/sh
case "$*" in
'show --property=Id --value -- '*)
    shift 4
    for name; do
        case $name in
        'postgresql@15-*') printf 'postgresql@15-main.service\n\npostgresql@15-old.service\n' ;;
        *.*) printf '%s\n\n' "$name" ;;
        *) printf '%s.service\n\n' "$name" ;;
        esac
    done
    ;;
'show --property=InvocationID --value -- '*) printf 'start-of-%s\n' "$5" ;;
'--quiet is-active -- '*) grep -qxF -- "$4" "$0.active" ;;
'is-enabled -- '*) case $3 in disabled*) echo disabled; exit 1 ;; *) echo enabled ;; esac ;;
*) echo "$*" >>"$0.did" ;;
esac
"""
RUNNING = [
    "nginx.service",
    "postgresql@15-main.service",
    "ssh.service",
    "nginx.timer",
    "nginx.socket",
    r"a\x2db.service",
]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask the policy about a unit and an action, as a package's script does."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(SYSTEMCTL)
    (tools / "systemctl.active").write_text("\n".join(RUNNING))
    (tools / "dpkg-query").write_text('#!/bin/sh\necho "$WANT "\n')
    for tool in ("systemctl", "dpkg-query"):
        (tools / tool).chmod(0o755)
    policy = tmp_path / "usr/sbin/policy-rc.d"
    policy.parent.mkdir(parents=True)
    text = SCRIPT.read_text().replace(package_restarts.OWN, str(tmp_path / "own"))
    assert str(tmp_path / "own") in text
    policy.write_text(text)
    policy.chmod(0o755)

    def asked(
        *words: str, job: bool = True, script: str = "postinst", want: str = "install", by: str = str(policy)
    ) -> int:
        given = {"DPKG_MAINTSCRIPT_NAME": script, "DPKG_MAINTSCRIPT_PACKAGE": "sample", "WANT": want}
        given |= {"DPKG_ROOT": str(tmp_path)}
        given |= {"HOLDFAST_PUT_OFF": str(tmp_path / "put-off")} if job else {}
        argv = [by, *words]
        return subprocess.run(argv, env={"PATH": f"{tools}:{os.environ['PATH']}", **given}, check=False).returncode

    return asked


def noted(folder: Path) -> dict[str, str]:
    """What was put off, and of which start."""
    return {path.name: path.read_text() for path in (folder / "put-off").glob("*")}


@pytest.mark.parametrize("action", ["restart", "try-restart", "force-reload", "reload-or-restart", "upgrade", "stop"])
@pytest.mark.parametrize("unit", ["nginx", "nginx.service", r"a\x2db.service"])
def test_amid_the_job_what_runs_goes_on(unit: str, action: str, ask: Ask, tmp_path: Path) -> None:
    """By the name that either of Debian's helpers has for it, and it is noted for the window."""
    assert ask(unit, action, script="prerm") == NO
    name = unit if "." in unit else f"{unit}.service"
    assert noted(tmp_path) == {name: f"start-of-{name}\n"}


def test_all_of_a_pattern_that_run(ask: Ask, tmp_path: Path) -> None:
    assert ask("postgresql@15-*", "stop", script="prerm") == NO
    assert list(noted(tmp_path)) == ["postgresql@15-main.service"]


@pytest.mark.skipif(not shutil.which("deb-systemd-invoke"), reason="a part of Debian")
def test_all_that_debians_helper_names_at_once(ask: Ask, tmp_path: Path) -> None:
    """It asks about the first, is refused, and asks about no other."""
    at_once = ("nginx.service", "nginx.socket", "nginx.timer", "postgresql@15-*")
    did = tmp_path / "tools/systemctl.did"
    assert ask("restart", *at_once, by="deb-systemd-invoke") == 0
    assert sorted(noted(tmp_path)) == ["nginx.service", "postgresql@15-main.service"]
    assert not did.exists()
    assert ask("restart", *at_once, by="deb-systemd-invoke", job=False) == 0
    assert f"--quiet --system restart {' '.join(at_once)}" in did.read_text()


@pytest.mark.skipif(not shutil.which("deb-systemd-invoke"), reason="a part of Debian")
@pytest.mark.parametrize("action", ["restart", "try-restart"])
def test_what_is_down_does_not_wait_with_the_others(action: str, ask: Ask, tmp_path: Path) -> None:
    """Nobody would start it later: the helper is refused all of it at once, and the window restarts only what runs."""
    named = ("new.service", "nginx.service", "new.timer", "disabled.service", "nginx.timer")
    did = tmp_path / "tools/systemctl.did"
    assert ask(action, *named, by="deb-systemd-invoke") == 0
    assert list(noted(tmp_path)) == ["nginx.service"]
    started = [f"--quiet --no-block start -- {unit}" for unit in ("new.service", "new.timer")]
    assert (did.read_text().splitlines() if did.exists() else []) == (started if action == "restart" else [])


@pytest.mark.skipif(not shutil.which("deb-systemd-invoke"), reason="a part of Debian")
def test_sshd_together_with_what_debian_names_with_it(ask: Ask, tmp_path: Path) -> None:
    assert ask("restart", "rescue-ssh.target", "ssh.service", by="deb-systemd-invoke") == 0
    assert "restart rescue-ssh.target ssh.service" in (tmp_path / "tools/systemctl.did").read_text()
    assert noted(tmp_path) == {}


@pytest.mark.parametrize(
    "allowed",
    [
        {"words": ("nginx", "start")},
        {"words": ("nginx", "reload")},
        {"words": ("nginx", "status")},
        {"words": ("--quiet", "nginx", "status")},
        # Its package, or somebody, has stopped it: it would stay down.
        {"words": ("mariadb", "restart")},
        {"words": ("mariadb.service", "restart")},
        # A database that is not to be touched while it runs.
        {"words": ("nginx", "stop"), "script": "preinst"},
        {"words": ("nginx", "stop"), "script": "postinst"},
        {"words": ("nginx", "stop"), "script": "prerm", "want": "deinstall"},
        {"words": ("nginx", "stop"), "script": "prerm", "want": "purge"},
        {"words": ("nginx", "stop"), "script": "prerm", "want": ""},
        # They run no code.
        {"words": ("nginx.timer", "restart")},
        {"words": ("nginx.socket", "restart")},
        {"words": ("ssh", "restart")},
        {"words": ("ssh.service", "restart")},
        {"words": ("rescue-ssh.target", "restart")},
    ],
)
def test_amid_the_job_all_else_is_done(allowed: dict[str, Any], ask: Ask, tmp_path: Path) -> None:
    words = allowed.pop("words")
    assert ask(*words, **allowed) == YES
    assert noted(tmp_path) == {}


def test_what_cannot_be_noted_is_done_at_once(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "put-off").write_text("in the way")
    assert ask("nginx", "restart") == YES


@pytest.mark.parametrize("action", ["restart", "stop", "start", "force-reload"])
def test_elsewhere_as_if_it_were_not_there(action: str, ask: Ask, tmp_path: Path) -> None:
    """Also for what invoke-rc.d would not do, which it asks about in brackets: a yes would start what is disabled."""
    assert ask("nginx", action, job=False, script="prerm") == YES
    assert ask("mariadb", f"({action})", job=False) == NO
    assert ask("mariadb", f"({action})") == NO
    assert noted(tmp_path) == {}


def test_a_policy_of_the_hosts_own_is_asked(ask: Ask, tmp_path: Path) -> None:
    """With the words as they came, and only where this one has nothing against it."""
    own = tmp_path / "own"
    own.write_text('#!/bin/sh\necho "$*" > "$0.asked"; exit 106\n')
    assert ask("nginx", "start") == YES, "it may not be run"
    own.chmod(0o755)
    assert ask("--quiet", "nginx", "start", "5") == 106
    assert (tmp_path / "own.asked").read_text() == "--quiet nginx start 5\n"
    assert ask("nginx", "restart") == NO


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Units with what systemd says of them. Each was put off at its start `1`."""
    units = {
        "nginx.service": {"ActiveState": "active", "InvocationID": "1"},
        "again.service": {"ActiveState": "active", "InvocationID": "2"},
        "ended.service": {"ActiveState": "inactive", "InvocationID": "1"},
        "dbus.service": {"ActiveState": "active", "InvocationID": "1"},
        "containerd.service": {"ActiveState": "reloading", "InvocationID": "1"},
    }
    for name in units:
        (tmp_path / name).write_text("1\n")
    monkeypatch.setattr(package_restarts, "FOLDER", str(tmp_path))
    monkeypatch.setattr(package_restarts, "properties", lambda unit, *_: units[unit])
    return units


@pytest.mark.usefixtures("waiting")
def test_what_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was when it was asked for; the bus goes on until a reboot, whoever asks."""
    assert old_libraries.put_off() == {"nginx.service": "1", "containerd.service": "1"}
    monkeypatch.setattr(package_restarts, "FOLDER", "/nowhere")
    assert old_libraries.put_off() == {}


def test_the_window_restarts_it(
    waiting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though it maps nothing that was replaced, as a program in Python; once."""
    did: list[tuple[str, ...]] = []

    def run(*argv: str, seconds: float = 0) -> tuple[int, str]:
        did.append(argv)
        waiting[argv[-1]] = {"ActiveState": "active", "InvocationID": "3"}
        return 0, ""

    monkeypatch.setattr(old_libraries, "run", run)
    monkeypatch.setattr(old_libraries, "look", list)
    monkeypatch.setattr(old_libraries, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(old_libraries, "properties", lambda unit, *_: waiting[unit])
    updates.main("old-code", [])
    assert capsys.readouterr().out.splitlines() == [
        f"{unit} (its package put off a restart)" for unit in ("containerd.service", "nginx.service")
    ]
    assert old_libraries.restart().units == ["containerd.service", "nginx.service"]
    again = old_libraries.restart()
    assert (again.units, again.wrong) == ([], [])
    assert did == [("systemctl", "try-restart", "--", unit) for unit in ("containerd.service", "nginx.service")]


def test_containers_are_restarted_where_their_package_asks(
    waiting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else, as where a library was replaced, a reboot does it."""
    daemon = old_libraries.Old(7, "containerd", "containerd.service", "/usr/bin/containerd")
    monkeypatch.setattr(
        old_libraries, "properties", lambda *_: {"MainPID": "7", "KillMode": "process", "Type": "notify"}
    )
    now, rest = old_libraries.sorted_out([daemon])
    assert (now, rest.reboot) == ({"containerd.service"}, [])
    waiting["containerd.service"]["InvocationID"] = "2"
    now, rest = old_libraries.sorted_out([daemon])
    assert (now, rest.reboot) == (set(), [str(daemon)])


def test_what_waits_for_long_is_told(
    waiting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a host without a window; once, though it maps replaced code besides."""
    nginx = old_libraries.Old(7, "nginx", "nginx.service", "/usr/sbin/nginx")
    del waiting["containerd.service"]
    (tmp_path / "containerd.service").unlink()
    state = {"MainPID": "7", "KillMode": "mixed", "Type": "forking"}
    monkeypatch.setattr(old_libraries, "properties", lambda *_: state)
    monkeypatch.setattr(old_libraries, "look", lambda: [nginx])
    monkeypatch.setattr(reboot_need, "reasons", list)
    found = [(one.kind, one.text) for one in lasting.of_restarts()]
    assert found == [("code", "nginx.service, whose package was upgraded")]
    before = lasting.of_restarts()[0].key
    waiting["nginx.service"]["InvocationID"] = "2"
    (tmp_path / "nginx.service").write_text("2\n")
    assert lasting.of_restarts()[0].key != before, "another start, which waits anew"


@pytest.mark.parametrize("theirs", ["#!/bin/sh\nexit 101\n", b"\xff\xfe", None])
def test_a_policy_of_somebody_elses_is_not_written_over(theirs: str | bytes | None, tmp_path: Path) -> None:
    """A file, or a link as update-alternatives makes it; ours, and none, are no reason to refuse."""
    place = Path(f"{tmp_path}{package_restarts.POLICY}")
    place.parent.mkdir(parents=True)
    assert updates.main("own-policy", [str(tmp_path)]) == 0
    place.write_text(SCRIPT.read_text())
    assert updates.main("own-policy", [str(tmp_path)]) == 0
    place.unlink()
    if theirs is None:
        place.symlink_to("/etc/alternatives/nowhere")
    else:
        place.write_bytes(theirs.encode() if isinstance(theirs, str) else theirs)
    with pytest.raises(Problem, match=r"policy-rc\.d is not holdfast's, .*: remove it, or move it to /usr/local/sbin"):
        package_restarts.refuse_another(str(tmp_path))


def test_the_job_names_the_folder_that_the_window_reads() -> None:
    unit = (SCRIPT.parents[1] / "templates/upgrade.conf.j2").read_text()
    assert f"\nEnvironment=HOLDFAST_PUT_OFF={package_restarts.FOLDER}\n" in unit
    assert "HOLDFAST_PUT_OFF" not in commands.APT, "who patches by hand wants the restarts at once"
