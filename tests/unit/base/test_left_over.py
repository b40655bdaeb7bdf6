"""What of a host's left-overs goes, and what is kept since a login or the network may need it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from library import purge_left_over as module
from verify.remote import ground

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNTS = r"""
24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 24 0:27 / /dev/shm rw,nosuid - tmpfs tmpfs rw
31 24 254:2 / /srv/with\040space rw - xfs /dev/vdb rw
32 24 254:3 / /home rw,nosuid - ext4 /dev/vdc rw
33 24 0:40 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw
"""
# A login that a tunnel's program passes on to sshd, one from elsewhere, and a program with a connection of its own.
SOCKETS = """
0 0 127.0.0.1:22 127.0.0.1:50000 ino:1 sk:1 cgroup:/system.slice/ssh.service <->
0 0 [::ffff:127.0.0.1]:50000 127.0.0.1:22 ino:2 sk:2 cgroup:/system.slice/tunnel.service/inner <->
0 0 192.0.2.1:22 198.51.100.7:40000 ino:3 sk:3 cgroup:/system.slice/ssh.service <->
0 0 192.0.2.1:41000 198.51.100.8:443 ino:4 sk:4 cgroup:/system.slice/other.service <->
"""
# What a socket starts, which is not enabled itself.
STARTED = {"remote-disks.service": {"state": "static", "Before": "remote-fs-pre.target"}}
FRAGMENT = "/usr/lib/systemd/system/"


class FakeHost(module.Host):
    """systemd's answers for some units: name and what differs from a plain one; packages of some files."""

    def __init__(self, units: Mapping[str, Mapping[str, str]], packages: Mapping[str, str], sockets: str = "") -> None:
        self.units, self.packages = units, packages
        self.ran: list[list[str]] = []
        self.module: Any = SimpleNamespace(run_command=self._command)
        self.sockets = sockets

    def _command(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == module.SS:
            return 0, self.sockets, ""
        if argv[0] == "dpkg-query":
            known = [f"{self.packages[path]}: {path}\n" for path in argv[2:] if path in self.packages]
            return 1, "".join(known), "no path found"
        assert argv[:2] == ["systemctl", "is-active"]
        return 3, "".join("inactive\n" if "idle" in one else "active\n" for one in argv[3:]), ""

    def run(self, *argv: str) -> str:
        self.ran.append([*argv])
        if argv[1] == "list-unit-files":
            states = {name: unit.get("state", "enabled") for name, unit in self.units.items()}
            return "".join(f"{name} {state} enabled\n" for name, state in states.items() if state != "static")
        if argv[1] == "list-units":
            return f"{argv[-1].replace('*', 'one')} loaded active running A template's\n"
        if argv[1] == "show":
            blocks = []
            for name in argv[5:]:
                unit = self.units.get(name, {})
                fields = {"Id": name, "FragmentPath": FRAGMENT + name, "Before": "multi-user.target", **unit}
                blocks.append("".join(f"{key}={value}\n" for key, value in fields.items()))
            return "\n".join(blocks)
        return ""


@pytest.fixture(autouse=True)
def instances(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Instances of templates that are enabled on the host."""
    found: dict[str, str] = {}
    monkeypatch.setattr(module, "enabled_instances", lambda: found)
    return found


def judged(
    units: Mapping[str, Mapping[str, str]], packages: Mapping[str, str] | None = None, sockets: str = ""
) -> tuple[FakeHost, Any]:
    host = FakeHost({**units, **STARTED}, packages or {}, sockets)
    return host, module.Units(host, ["allowed.service"], {"gone"})


def test_left_over_units_are_disabled_and_stopped() -> None:
    host, units = judged(
        {
            "allowed.service": {},
            "foreign.service": {},
            "foreign.timer": {"Triggers": "job.service"},
            "opens.socket": {"Triggers": "opens.service allowed.service"},
            "many@.service": {},
            "until-boot.service": {"state": "enabled-runtime"},
        }
    )
    assert units.kept == []
    units.disable()
    assert host.ran[-3:] == [
        ["systemctl", "disable", "--", "foreign.service", "foreign.timer", "opens.socket", "many@.service"],
        ["systemctl", "disable", "--runtime", "--", "until-boot.service"],
        [
            *("systemctl", "stop", "--", "foreign.service", "foreign.timer", "opens.socket", "opens.service"),
            *("many@one.service", "until-boot.service"),
        ],
    ]


@pytest.mark.parametrize(
    ("name", "unit", "why"),
    [
        ("NetworkManager.service", {"Before": "shutdown.target network.target"}, "disks, the network or logins"),
        ("sssd.service", {"Before": "nss-user-lookup.target"}, "disks, the network or logins"),
        ("own-firewall.service", {"Before": "network-pre.target"}, "disks, the network or logins"),
        ("guest-agent.service", {"Before": "ssh.service"}, "disks, the network or logins"),
        ("disks.socket", {"Triggers": "remote-disks.service"}, "disks, the network or logins"),
        ("wg-quick@.service", {}, "a login may come in through it"),
        ("openvpn-client@.service", {}, "a login may come in through it"),
        ("ssh.service", {}, "logins, or holdfast itself"),
        ("systemd-networkd.service", {}, "logins, or holdfast itself"),
        ("holdfast-firewall.service", {}, "logins, or holdfast itself"),
        ("home.mount", {}, "no service, timer, socket or path"),
        ("database.service", {"RequiredBy": "idle.service allowed.service"}, "allowed.service would be stopped"),
        ("tunnel.service", {"ControlGroup": "/system.slice/tunnel.service"}, "passes connections on to sshd"),
    ],
)
def test_what_a_login_or_the_network_may_need_is_kept(name: str, unit: dict[str, str], why: str) -> None:
    _host, units = judged({name: unit}, sockets=SOCKETS)
    assert units.found == []
    (kept,) = units.kept
    assert kept.startswith(f"{name} stays enabled: ")
    assert why in kept


def test_by_what_this_run_came_in_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lineage", lambda: ({"dropbear@7.service", "session-1.scope"}, set()))
    _host, units = judged({"dropbear.socket": {}, "other.service": {}})
    assert units.found == ["other.service"]


def test_instances_of_templates(instances: dict[str, str]) -> None:
    """Of a template that is in the list they are no more than that; of an allowed one they are allowed."""
    instances |= {"many@one.service": "enabled", "few@tty1.service": "enabled", "allowed@a.service": "enabled"}
    host = FakeHost({"few@.service": {}}, {})
    units: Any = module.Units(host, ["allowed@.service"], set())
    assert units.found == ["few@.service", "many@one.service"]
    units.disable()
    assert host.ran[-2] == ["systemctl", "disable", "--", "few@.service", "many@one.service"]


def test_what_a_purged_package_brings_goes_with_it() -> None:
    """Debian 12 knows by /lib what lies in /usr/lib."""
    _host, units = judged({"its.service": {}, "mine.service": {}}, {"/lib/systemd/system/its.service": "gone:amd64"})
    assert units.found == ["mine.service"]


def test_what_a_role_has_placed_is_ended_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of a service that is declared no more, say."""
    (tmp_path / "services.json").write_text(f'{{"files": {{"{FRAGMENT}blog-web.service": {{}}}}}}')
    monkeypatch.setattr(module, "SETS", f"{tmp_path}/*.json")
    _host, units = judged({"blog-web.service": {}, "mine.service": {}})
    assert (units.found, units.kept) == (["mine.service"], [])


def test_the_way_of_this_process() -> None:
    _units, programs = module.lineage()
    assert os.path.realpath(sys.executable) in programs
    assert module.stem("dropbear@7-192.0.2.1:22.service") == module.stem("dropbear.socket") == "dropbear"


def test_who_passes_logins_on() -> None:
    assert module.carriers(SOCKETS) == {"/system.slice/tunnel.service/inner"}
    assert module.carriers("") == set()


def test_it_looks_where_verify_looks() -> None:
    for name in ("DISKS", "IMAGES", "FIND_SECONDS", "LINKS", "UNIT_FOLDERS"):
        assert getattr(module, name) == getattr(ground, name)
    assert f'"{module.STATES}"' in Path(ground.__file__).read_text(encoding="utf-8")
    assert module.local_disks(MOUNTS) == ["/", "/srv/with space"]


def test_whose_a_file_is() -> None:
    host = FakeHost({}, {"/bin/su": "util-linux:amd64, other", "/opt/a*b": "odd"})
    assert host.owners(["/usr/bin/su", "/usr/bin/mine"]) == {"/usr/bin/su": ("util-linux", "/bin/su")}


def test_bits_are_taken_off_the_file_that_was_found_alone(tmp_path: Path) -> None:
    """A stranger may have put a link into the place of the file, or of its folder, meanwhile."""
    folder = tmp_path.resolve() / "folder"
    folder.mkdir()
    found, other = folder / "found", tmp_path.resolve() / "other"
    for path in (found, other):
        path.write_text("")
        path.chmod(0o6755)
    module.SetUid._change(str(found))
    assert found.stat().st_mode & 0o7777 == 0o755

    found.unlink()
    found.symlink_to(other)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (found, tmp_path.resolve() / "link/other"):
        with pytest.raises(OSError, match=r"Too many levels|another file"):
            module.SetUid._change(str(path))
    assert other.stat().st_mode & 0o7777 == 0o6755


def test_without_a_known_disk_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place find would begin where the module runs, and all would seem well."""
    monkeypatch.setattr(module, "local_disks", lambda _: [])
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("find ran"))
    files = module.SetUid(FakeHost({}, {}), [], set())
    assert files.found == []
    assert "no disk of a known kind" in files.kept[0]
