"""What of a host's left-overs goes, and what is kept since a login or the network may need it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.left_over import (
    enabled_units,
    host_tools,
    packages,
    programs,
    setuid,
    setuid_files,
    units,
    way_in,
)

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
STARTED = {
    "remote-disks.service": {"state": "static", "Before": "remote-fs-pre.target"},
    "pool.target": {"state": "static", "Before": "pool-mount.service shutdown.target"},
    "pool-mount.service": {"state": "static", "Before": "local-fs.target"},
    # Nearly all comes before this one, and what comes after it comes after all.
    "sockets.target": {"state": "static", "Before": "basic.target ssh.service"},
}
FRAGMENT = "/usr/lib/systemd/system/"


class FakeHost(host_tools.Host):  # type: ignore[misc]  # for mypy it is a part of Ansible's
    """systemd's answers for some units: name and what differs from a plain one; packages of some files."""

    def __init__(self, units: Mapping[str, Mapping[str, str]], packages: Mapping[str, str], sockets: str = "") -> None:
        self.units, self.packages = units, packages
        self.ran: list[list[str]] = []
        self.module: Any = SimpleNamespace(run_command=self._command)
        self.sockets = sockets
        self.stops = 0

    def _command(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[:2] == ["dpkg-query", "-L"]:
            listed = "".join(f"{path}\n" for path, package in self.packages.items() if package == argv[2])
            return 0 if listed else 2, listed, "ambiguous package name"
        if argv[0] == "dpkg-query":
            known = [f"{self.packages[path]}: {path}\n" for path in argv[2:] if path in self.packages]
            return 1, "".join(known), "no path found"
        if argv[1] == "stop":
            self.ran.append([*argv])
            return self.stops, "", ""
        assert argv[:2] == ["systemctl", "is-active"]
        return 3, "".join("inactive\n" if "idle" in one else "active\n" for one in argv[3:]), ""

    def run(self, *argv: str) -> str:
        if argv[0] == way_in.SS:
            return self.sockets
        if argv[0] == "dpkg-query":
            return self._command([*argv])[1]
        if argv[0] == "dpkg":
            return "amd64\n"
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
                before = "" if name == "local-fs.target" else "multi-user.target"
                fields = {"Id": name, "FragmentPath": FRAGMENT + name, "Before": before, **unit}
                blocks.append("".join(f"{key}={value}\n" for key, value in fields.items()))
            return "\n".join(blocks)
        return ""


@pytest.fixture(autouse=True)
def instances(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Instances of templates that are enabled on the host."""
    found: dict[str, str] = {}
    monkeypatch.setattr(units, "enabled_instances", lambda: found)
    return found


def judged(
    there: Mapping[str, Mapping[str, str]], packages: Mapping[str, str] | None = None, sockets: str = ""
) -> tuple[FakeHost, Any]:
    host = FakeHost({**there, **STARTED}, packages or {}, sockets)
    return host, units.Units(host, ["allowed.service", "allowed@.service"], ["gone"])


def test_left_over_units_are_disabled_and_stopped() -> None:
    host, found = judged(
        {
            "allowed.service": {},
            "foreign.service": {},
            "foreign.timer": {"Triggers": "job.service", "Before": "sockets.target shutdown.target"},
            "opens.socket": {"Triggers": "opens.service allowed.service"},
            "many@.service": {},
            "until-boot.service": {"state": "enabled-runtime"},
        }
    )
    assert found.kept == []
    found.disable()
    assert host.ran[-3:] == [
        [
            *("systemctl", "stop", "--", "foreign.service", "foreign.timer", "opens.socket", "opens.service"),
            *("many@one.service", "until-boot.service"),
        ],
        ["systemctl", "disable", "--", "foreign.service", "foreign.timer", "opens.socket", "many@.service"],
        ["systemctl", "disable", "--runtime", "--", "until-boot.service"],
    ]


def test_what_cannot_be_stopped_stays_enabled() -> None:
    """Disabled it would run on, and nobody would find it again. One that systemd does not know runs no more."""
    host, found = judged({"stubborn.service": {}, "idle.service": {}})
    host.stops = 5
    found.disable()
    assert host.ran[-1] == ["systemctl", "disable", "--", "idle.service"]
    assert found.found == ["idle.service"]
    assert found.kept == ["stubborn.service stays enabled: systemd does not stop it"]


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
        ("allowed.target.service", {"ConsistsOf": "allowed@one.service"}, "allowed@one.service would be stopped"),
        ("allowed@two.socket", {"ConsistsOf": "allowed@one.service"}, "allowed@one.service would be stopped"),
        ("pool-import.service", {"Before": "pool.target"}, "disks, the network or logins"),
        ("netbird.service", {}, "a login may come in through it"),
        ("autofs.service", {}, "it may mount what others need"),
        ("tunnel.service", {"ControlGroup": "/system.slice/tunnel.service"}, "passes connections on to sshd"),
    ],
)
def test_what_a_login_or_the_network_may_need_is_kept(name: str, unit: dict[str, str], why: str) -> None:
    _host, found = judged({name: unit}, sockets=SOCKETS)
    assert found.found == []
    (kept,) = found.kept
    assert kept.startswith(f"{name} stays enabled: ")
    assert why in kept


def test_by_what_this_run_came_in_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "lineage", lambda: ({"dropbear@7.service", "session-1.scope"}, set()))
    _host, found = judged({"dropbear.socket": {}, "other.service": {}})
    assert found.found == ["other.service"]


def test_instances_of_templates(instances: dict[str, str]) -> None:
    """Of a template that is in the list they are no more than that; of an allowed one they are allowed."""
    instances |= {"many@one.service": "enabled", "few@tty1.service": "enabled", "allowed@a.service": "enabled"}
    host = FakeHost({"few@.service": {}}, {})
    found: Any = units.Units(host, ["allowed@.service"], [])
    assert found.found == ["few@.service", "many@one.service"]
    found.disable()
    assert host.ran[-1] == ["systemctl", "disable", "--", "few@.service", "many@one.service"]


def test_what_a_purged_package_brings_goes_with_it() -> None:
    """Debian 12 knows by /lib what lies in /usr/lib."""
    _host, found = judged({"its.service": {}, "mine.service": {}}, {"/lib/systemd/system/its.service": "gone"})
    assert (found.found, found.obstacles) == (["mine.service"], [])


def test_a_package_is_no_way_to_take_away_what_is_kept(instances: dict[str, str]) -> None:
    """Enabled or running, also an instance; and what goes with it is no reason to keep it."""
    instances["wg-quick@wg0.service"] = "enabled"
    paths = ("wg-quick@.service", "net-up.service", "net-idle.service", "job.service", "its.service")
    _host, found = judged(
        {
            "net-up.service": {"state": "static", "Before": "network.target"},
            "net-idle.service": {"state": "static", "Before": "network.target"},
            "its.service": {"RequiredBy": "job.service"},
        },
        {f"/usr/lib/systemd/system/{name}": "gone" for name in paths},
    )
    assert found.found == []
    assert found.obstacles == [
        ("gone", "net-up.service", "disks, the network or logins may need it, which come after it"),
        ("gone", "wg-quick@one.service", "a login may come in through it"),
        ("gone", "wg-quick@wg0.service", "a login may come in through it"),
    ]


def test_what_a_kept_unit_requires_is_kept_with_it(tmp_path: Path) -> None:
    """Stopped, or disabled along with something else, it would take the kept one with it."""
    (tmp_path / "along.service").write_text("[Install]\nAlso=helper.service\n")
    _host, found = judged(
        {
            "along.service": {"FragmentPath": str(tmp_path / "along.service")},
            "far.service": {"RequiredBy": "helper.service"},
            "helper.service": {"RequiredBy": "corp-vpn.service"},
            "corp-vpn.service": {},
            "other.service": {"RequiredBy": "plain.service"},
            "plain.service": {},
        }
    )
    assert found.found == ["other.service", "plain.service"]
    assert found.kept[:3] == [
        "along.service stays enabled: helper.service would be disabled with it",
        "far.service stays enabled: helper.service would be stopped with it",
        "helper.service stays enabled: corp-vpn.service would be stopped with it",
    ]


def test_the_program_of_what_stays_keeps_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever brought the unit: a package's script, an admin who was asked, or nobody, as where somebody started it."""
    monkeypatch.setattr(host_tools, "is_roots", lambda _path: True)
    monkeypatch.setattr(units, "running", lambda: {("job.service", "/usr/bin/job"), ("foreign.service", "/usr/bin/f")})
    start = "{{ path=/usr/bin/{0} ; argv[]=/usr/bin/{0} -x ; ignore_errors=no }}"
    _host, found = judged(
        {
            "allowed.service": {"ExecStart": start.format("autossh")},
            "netbird.service": {"ExecStart": start.format("netbird")},
            "foreign.service": {"ExecStart": start.format("f")},
        },
        {f"/usr/bin/{name}": "gone" for name in ("autossh", "netbird", "job", "f")},
    )
    assert found.found == ["foreign.service"]
    assert found.obstacles == [
        ("gone", "allowed.service", "it stays, and runs /usr/bin/autossh"),
        ("gone", "job.service", "it stays, and runs /usr/bin/job"),
        ("gone", "netbird.service", "it stays, and runs /usr/bin/netbird"),
    ]


def test_the_programs_that_run_here() -> None:
    """A command of more lines than one, and this very process, which is in no service."""
    shown = "{ path=/bin/a ; argv[]=/bin/a ; } { path=/bin/b ; argv[]=/bin/b path=/bin/c ; }"
    assert programs.started(shown) == {"/bin/a", "/bin/b"}
    assert programs.SERVICE.search("1:name=systemd:/system.slice/system-wg.slice/wg@a.service/x\n")[1] == "wg@a.service"
    assert not programs.SERVICE.search("0::/user.slice/user-0.slice/user@0.service/app.slice/mine.service\n")
    assert all(unit.endswith(".service") and path.startswith("/") for unit, path in programs.running())


def test_what_went_with_its_package_is_not_disabled_again(instances: dict[str, str]) -> None:
    """dpkg does not know of a unit that a package's script wrote."""
    instances["many@one.service"] = "enabled"
    host, found = judged({"foreign.service": {}})
    instances.clear()
    found.disable()
    assert host.ran[-1] == ["systemctl", "disable", "--", "foreign.service"]
    assert found.found == ["foreign.service", "many@one.service"], "told all the same"


def test_a_package_of_two_architectures() -> None:
    """dpkg wants to be told which of them."""
    host = FakeHost({}, {"/usr/lib/systemd/system/its.service": "lib:amd64"})
    found: Any = units.Units(host, [], ["lib"])
    assert found.brought == {"its.service": "lib"}


def test_what_would_disable_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "foreign.service").write_text(
        "[Install]\nWantedBy=multi-user.target\nAlso=other.socket allowed.service\n"
    )
    _host, found = judged({"foreign.service": {"FragmentPath": str(tmp_path / "foreign.service")}})
    assert found.kept == ["foreign.service stays enabled: allowed.service would be disabled with it"]


def test_what_a_role_has_placed_is_ended_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of a service that is declared no more, say."""
    (tmp_path / "services.json").write_text(f'{{"files": {{"{FRAGMENT}blog-web.service": {{}}}}}}')
    monkeypatch.setattr(units, "SETS", f"{tmp_path}/*.json")
    _host, found = judged({"blog-web.service": {}, "mine.service": {}})
    assert (found.found, found.kept) == (["mine.service"], [])


def test_the_way_of_this_process() -> None:
    _units, programs = way_in.lineage()
    assert os.path.realpath(sys.executable) in programs
    assert units.stem("dropbear@7-192.0.2.1:22.service") == units.stem("dropbear.socket") == "dropbear"


def test_who_passes_logins_on() -> None:
    assert way_in.carriers(SOCKETS) == {"/system.slice/tunnel.service/inner"}
    assert way_in.carriers("") == set()


def test_it_looks_where_verify_looks() -> None:
    for name in ("LINKS", "UNIT_FOLDERS"):
        assert getattr(enabled_units, name) == getattr(ground, name)
    for name in ("DISKS", "IMAGES", "FIND_SECONDS"):
        assert getattr(setuid_files, name) == getattr(ground, name)
    assert f'"{enabled_units.STATES}"' in Path(ground.__file__).read_text(encoding="utf-8")
    assert setuid_files.local_disks(MOUNTS) == ["/", "/srv/with space"]


def test_whose_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in parts; never of what lies where others choose the names, who could make the question too long."""
    monkeypatch.setattr(host_tools, "AT_ONCE", 2)
    monkeypatch.setattr(host_tools, "is_roots", lambda path: not path.startswith("/home"))
    host = FakeHost({}, {"/bin/su": "util-linux:amd64, other", "/opt/a*b": "odd", "/home/eve/x": "odd"})
    asked = ["/usr/bin/su", "/usr/bin/mine", "/home/eve/x", "/opt/a"]
    assert host.owners(asked) == {"/usr/bin/su": ("util-linux", "/bin/su")}


class FakeApt(host_tools.Host):  # type: ignore[misc]
    """apt's answers for three packages that somebody asked for: two of them take the VPN along together."""

    def __init__(self) -> None:
        self.along = {"one": ["one"], "two": ["two"], "vpn-tools": ["vpn-tools", "vpn"]}
        self.module: Any = SimpleNamespace(tmpdir="/nonexistent")

    def run(self, *argv: str) -> str:
        if argv[0] == "dpkg-query":
            return "".join(f"{name}\tinstalled\toptional\tno\n" for name in ("one", "two", "vpn-tools", "vpn"))
        if argv[:2] == ("apt-mark", "showmanual"):
            return "one\ntwo\nvpn-tools\n"
        if argv[:2] == ("apt-mark", "showhold"):
            return "two\n"
        assert argv[:3] == ("apt-get", "-s", "-q")
        names = [*argv[4:], *(["vpn-tools"] if argv[3:] == ("purge", "one", "two") else [])]
        return "".join(f"Purg {one} [1]\n" for name in names for one in self.along[name])


def test_only_what_brings_an_obstacle_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what takes it along; the others go."""
    monkeypatch.setattr(packages.Packages, "_unneeded", lambda _self, names: [one for one in names if one != "two"])
    chosen = packages.Packages(FakeApt(), [])
    assert chosen.kept == ["two stays: it is on hold"]
    assert chosen.gone == ["one", "vpn-tools", "vpn"]
    chosen.keep([("vpn", "vpn.service", "a login may come in through it")])
    assert chosen.gone == ["one"]
    assert chosen.kept[1:] == ["vpn-tools stays: with it would go vpn.service: a login may come in through it"]
    chosen.keep([("elsewhere", "other.service", "why")])
    assert chosen.gone == [], "whatever brings it"


def test_what_is_allowed_is_not_taken_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """By apt's own word, whatever is known of what needs what."""
    monkeypatch.setattr(packages.Packages, "_unneeded", lambda _self, names: names)
    host = FakeApt()

    def fail_json(msg: str) -> None:
        raise SystemExit(msg)

    host.module.fail_json = fail_json
    with pytest.raises(SystemExit, match=r"with one, two apt would remove vpn, vpn-tools, which is to stay"):
        packages.Packages(host, ["vpn*"])


def test_a_file_by_all_its_names(tmp_path: Path) -> None:
    """One of them is allowed: the bit is that of the same file, as where a folder is mounted a second time."""
    sudo, other = tmp_path / "sudo", tmp_path / "mounted-again"
    sudo.touch()
    other.hardlink_to(sudo)
    (tmp_path / "alone").touch()
    listed = [str(other), str(tmp_path / "alone"), str(sudo), "/nowhere"]
    found_files = sorted(setuid_files.same_files(listed))
    assert found_files == [["/nowhere"], [str(tmp_path / "alone")], [str(sudo), str(other)]]


def left_over_files(monkeypatch: pytest.MonkeyPatch, files: list[list[str]]) -> Any:
    monkeypatch.setattr(setuid, "setuid_files", lambda _mounts: files)
    return setuid.SetUid(FakeHost({}, {}), ["/usr/bin/sudo"], set())


def test_another_name_of_an_allowed_file_keeps_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    files = left_over_files(monkeypatch, [["/mnt/root/usr/bin/sudo", "/usr/bin/sudo"], ["/opt/foreign"]])
    assert (files.found, files.kept) == (["/opt/foreign"], [])


def test_another_systems_root_folder_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setuid, "other_root", lambda path: "/srv/chroot" if path.startswith("/srv/chroot/") else "")
    files = left_over_files(monkeypatch, [["/srv/chroot/usr/bin/sudo"]])
    assert files.found == []
    assert files.kept == ["/srv/chroot/usr/bin/sudo stays set-uid: /srv/chroot is the root folder of another system"]


def test_roots_own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may reach a file, who chooses its name, and whose root folder it is in."""
    modes = {"/": 0o755, "/srv": 0o755, "/srv/chroot": 0o755, "/data": 0o710, "/home/eve": 0o755, "/home": 0o755}

    def lstat(path: str) -> Any:
        return SimpleNamespace(
            st_uid=1000 if path.startswith("/home/eve") else 0, st_gid=0, st_mode=modes.get(path, 0o755)
        )

    monkeypatch.setattr("os.lstat", lstat)
    acls: dict[str, list[str]] = {}
    monkeypatch.setattr("os.listxattr", lambda path: acls.get(path, []))
    monkeypatch.setattr(
        "os.path.lexists", lambda path: path in {"/srv/chroot/etc/os-release", "/home/eve/etc/os-release"}
    )
    for module_of in (setuid_files, ground):
        assert module_of.is_out_of_reach("/data/docker/overlay2/a/usr/bin/sudo")
        assert not module_of.is_out_of_reach("/srv/chroot/usr/bin/sudo")
    acls["/data"] = ["system.posix_acl_access"]
    for module_of in (setuid_files, ground):
        assert not module_of.is_out_of_reach("/data/docker/overlay2/a/usr/bin/sudo"), "somebody was let in"
    assert setuid_files.other_root("/srv/chroot/usr/bin/sudo") == "/srv/chroot"
    assert setuid_files.other_root("/usr/bin/sudo") == ""
    assert setuid_files.other_root("/home/eve/bin/x") == "", "nobody makes a system of a folder by a file in it"
    assert setuid_files.is_roots("/srv/chroot/usr/bin/sudo")
    assert not setuid_files.is_roots("/home/eve/bin/x")
    modes["/srv"] = 0o1777
    assert not setuid_files.is_roots("/srv/chroot/usr/bin/sudo")


def test_bits_are_taken_off_the_file_that_was_found_alone(tmp_path: Path) -> None:
    """A stranger may have put a link into the place of the file, or of its folder, meanwhile."""
    folder = tmp_path.resolve() / "folder"
    folder.mkdir()
    found, other = folder / "found", tmp_path.resolve() / "other"
    for path in (found, other):
        path.write_text("")
        path.chmod(0o6755)
    setuid.SetUid._change(str(found))
    assert found.stat().st_mode & 0o7777 == 0o755

    found.unlink()
    found.symlink_to(other)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (found, tmp_path.resolve() / "link/other"):
        with pytest.raises(OSError, match=r"Too many levels|another file"):
            setuid.SetUid._change(str(path))
    assert other.stat().st_mode & 0o7777 == 0o6755


def test_without_a_known_disk_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place find would begin where the module runs, and all would seem well."""
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("find ran"))
    monkeypatch.setattr(setuid, "read", lambda _path: "4 1 0:9 / / rw - nfs server:/ rw\n")
    files = setuid.SetUid(FakeHost({}, {}), [], set())
    assert files.found == []
    assert "no disk of a known kind" in files.kept[0]
    monkeypatch.setattr(ground, "mounted", lambda: [("/", "nfs", ["rw"])])
    assert ground.setuid_files() is None
