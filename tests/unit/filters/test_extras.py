"""What a host has beyond what is allowed is told as verify will tell it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.left_over import enabled_units, setuid_files
from ansible.module_utils.testing import patch_module_args
from hypothesis import given
from hypothesis import strategies as st

from library import host_extras
from verify.packages import left_over as told_by_verify
from verify.remote import ground

if TYPE_CHECKING:
    from collections.abc import Callable

ALLOWED = {"packages": ["openssh-*"], "units": ["ssh.service"], "setuid": ["/usr/bin/sudo"]}
MOUNTS = r"""
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /home/a\040b rw,nosuid - ext4 /dev/sda2 rw
3 1 8:3 / /srv/a\040b rw,relatime - xfs /dev/sda3 rw
4 1 0:9 / /proc rw - proc proc rw
5 1 0:8 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
"""
SHOWN = {
    "apt-mark showmanual": "bash\nfping\nlibc6:i386\nopenssh-server\nlibssl3\n",
    "apt-mark showhold": "nginx\n",
    "systemctl list-unit-files": "ssh.service enabled enabled\nnode.service enabled enabled\n",
    "find /": "/usr/bin/fping\0/usr/bin/sudo\0/usr/bin/bash\0/usr/bin/ssh\0/tmp/x\0",
    "dpkg-query -S /usr/bin/fping": "fping: /usr/bin/fping\n",
    "dpkg-query -S /bin/bash": "bash: /bin/bash\n",
    "dpkg-query -S /usr/bin/ssh": "diversion by x from: /usr/bin/ssh\nopenssh-client:amd64: /usr/bin/ssh\n",
}
INSTALLED = """
bash\tii \trequired\tyes\t\t\t\t
fping\tii \toptional\tno\t\tlibc6 (>= 2)\t\t
gone\trc \toptional\tno\t\t\t\t
openssh-server\tii \toptional\tno\t\tlibssl3\t\t
libssl3\tii \toptional\tno\t\t\t\t
"""


def answering(missing: str = "") -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Return what answers as a host does, but for one command, which gives no answer."""

    def run(argv: tuple[str, ...], **_: Any) -> subprocess.CompletedProcess[bytes]:
        words = " ".join(argv)
        if missing and words.startswith(missing):
            raise subprocess.TimeoutExpired(list(argv), 1)
        if words.startswith("dpkg-query -W"):
            return subprocess.CompletedProcess(argv, 0, INSTALLED.encode())
        known = [text for begin, text in SHOWN.items() if f"{words} ".startswith(f"{begin} ")]
        return subprocess.CompletedProcess(argv, 0 if known else 1, "".join(known).encode(), b"no such thing")

    return run


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the answer of the module."""
    with patch_module_args(ALLOWED), pytest.raises(SystemExit):
        host_extras.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_what_nobody_allowed_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The shell of an allowed package has no such bit by its package, so that none stands for it."""
    monkeypatch.setattr("subprocess.run", answering())
    monkeypatch.setattr(setuid_files, "local_disks", lambda _mountinfo: ["/"])
    monkeypatch.setattr(enabled_units, "LINKS", ())
    found = told(capsys)
    assert {name: found[name] for name in ("packages", "held", "units", "searched")} == {
        "packages": ["fping", "libc6:i386"],
        "held": ["nginx"],
        "units": ["node.service"],
        "searched": True,
    }
    assert {entry["path"]: entry["package"] for entry in found["setuid"]} == {
        "/tmp/x": "",
        "/usr/bin/bash": "",
        "/usr/bin/fping": "fping",
        "/usr/bin/ssh": "",
    }


@pytest.mark.parametrize("command", ["dpkg-query -W", "apt-mark showmanual", "apt-mark showhold", "systemctl"])
def test_a_command_without_an_answer_is_not_taken_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr("subprocess.run", answering(command))
    monkeypatch.setattr(setuid_files, "local_disks", lambda _mountinfo: ["/"])
    found = told(capsys)
    assert found["failed"]
    assert f"nothing was drafted: {command.split(maxsplit=1)[0]} gave no answer on this host" in found["msg"]


def test_disks_without_an_end_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none, nothing is searched: `find` without a place takes the folder that it is started in."""
    monkeypatch.setattr("subprocess.run", answering("find"))
    assert host_extras.beyond(MOUNTS, []) == ([], False)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("find ran"))
    assert host_extras.beyond("4 1 0:9 / /proc rw - proc proc rw\n", []) == ([], False)


def test_the_disks_are_those_that_verify_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> tuple[int, str, str]:
        asked.append(argv)
        return 0, "", ""

    monkeypatch.setattr(ground, "read", lambda _path: MOUNTS)
    monkeypatch.setattr(ground, "run", run)
    ground.setuid_files()
    assert setuid_files.local_disks(MOUNTS) == ["/", "/srv/a b"]
    assert asked[0][1:3] == setuid_files.local_disks(MOUNTS)
    assert asked[0][3] == "-xdev"


def test_the_units_are_those_that_verify_finds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An enabled instance, whose template systemd does not list; it is allowed by its own name or by its template's."""
    for name in ("LINKS", "UNIT_FOLDERS"):
        assert getattr(enabled_units, name) == getattr(ground, name), name
    assert f'"{enabled_units.STATES}"' in Path(ground.__file__).read_text(encoding="utf-8")

    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("tunnel@one.service", "gone@one.service", "ssh@a.service"):
        (wants / name).symlink_to("/nowhere")
    for name in ("tunnel@.service", "ssh@.service"):
        (tmp_path / name).touch()
    for module in (enabled_units, ground):
        monkeypatch.setattr(module, "LINKS", [str(tmp_path) + place for place in module.LINKS])
        monkeypatch.setattr(module, "UNIT_FOLDERS", [str(tmp_path)])
    listed = SHOWN["systemctl list-unit-files"]
    monkeypatch.setattr(ground, "run", lambda _argv: (0, listed, ""))
    monkeypatch.setattr("subprocess.run", answering())
    monkeypatch.setattr(setuid_files, "local_disks", lambda _mountinfo: ["/"])
    assert host_extras.enabled_units() == set(ground.enabled_units())
    monkeypatch.setitem(ALLOWED, "units", ["ssh.service", "ssh@.service"])
    assert told(capsys)["units"] == ["node.service", "tunnel@one.service"]


NAMES = st.sampled_from(["a", "b", "c", "d", "e", "mail"])
RELATION = st.lists(st.sampled_from(["a", "b (>= 1)", "c | mail", "d:any", "e [x]", "mail"]), max_size=2).map(", ".join)
PACKAGES = st.dictionaries(
    NAMES, st.tuples(st.sampled_from(["optional", "required"]), st.sampled_from(["no", "yes"]), *[RELATION] * 4)
)


@given(PACKAGES, st.lists(NAMES, max_size=2), st.lists(NAMES, max_size=5))
def test_the_packages_are_those_that_verify_finds(
    there: dict[str, tuple[str, ...]], allowed: list[str], manual: list[str]
) -> None:
    lines = "\n".join("\t".join((name, "ii ", *fields)) for name, fields in there.items())
    packages = host_extras.installed(lines)
    shown = {
        name: {"priority": one[0], "essential": one[1], "needs": ", ".join(filter(None, one[2:5])), "provides": one[5]}
        for name, one in there.items()
    }
    seen = host_extras.wanted(packages, allowed)[1]
    assert sorted(name for name in manual if name not in seen) == told_by_verify(manual, shown, allowed)
