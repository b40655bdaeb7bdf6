"""contact: candidates, pins, ssh_config and what the probe says."""

from __future__ import annotations

import base64
import contextlib
import os
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import yaml

from tests.loading import load

ROOT = Path(__file__).parents[3]
contact = load(ROOT / "action_plugins" / "contact.py")
fresh_login = load(ROOT / "action_plugins" / "fresh_login.py")


def key(seed: int) -> str:
    """Return a public key of the right shape."""
    blob = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes([seed]) * 32
    return "ssh-ed25519 " + base64.b64encode(blob).decode()


def host(address: str, **ssh: object) -> dict[str, object]:
    """Return a host of the catalogue."""
    return {"address": address, "ssh": {"port": 22, "first_user": "root", "first_port": 22, **ssh}}


ALICE, ROOT_LOGIN = {"user": "alice", "port": 2222}, {"user": "root", "port": 22}


def test_last_known_good_login_is_tried_first() -> None:
    """It is not tried twice."""
    assert contact.order_candidates([ALICE, ROOT_LOGIN], ROOT_LOGIN) == [ROOT_LOGIN, ALICE]
    assert contact.order_candidates([ALICE, ROOT_LOGIN], None) == [ALICE, ROOT_LOGIN]
    old_port = {"user": "alice", "port": 22}
    assert contact.order_candidates([ALICE, ROOT_LOGIN], old_port) == [old_port, ALICE, ROOT_LOGIN]


def reach(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    remembered: dict[str, object] | None,
    doors: dict[tuple[str, int], str],
) -> list[str]:
    """Look for the login of a host with these doors (others are closed); return what was tried.

    The operator is declared on port 22 and the provider's account, too.
    """
    action = contact.ActionModule.__new__(contact.ActionModule)
    action._directory, action._hosts, action._name, action._tries = folder, {"web1": host("192.0.2.1")}, "web1", []
    monkeypatch.setattr(action, "_display", SimpleNamespace(display=lambda _: None), raising=False)
    action._login = SimpleNamespace(one_line=fresh_login.ActionModule.one_line)
    monkeypatch.setattr(action, "_known", lambda _: remembered)

    def once(_name: str, login: dict[str, object], *_: object) -> dict[str, object]:
        outcome = doors.get((str(login["user"]), int(str(login["port"]))), "refused")
        return {"outcome": outcome, "stderr": "", "host_key": None, "fingerprint": None}

    monkeypatch.setattr(action, "_patient", once)
    candidates = [{"user": "alice", "port": 22}, ROOT_LOGIN]
    with contextlib.suppress(contact.ContactError):
        action._reach("web1", candidates, "true")
    return [f"{said.partition('@')[0]} {said.partition('port ')[2]}" for said in action._tries]


@pytest.mark.parametrize(
    ("replies", "tried"),
    [
        ([("no answer", "SHA256:abc"), ("ok", "SHA256:abc")], 2),  # it took the key, and said no more
        ([("no answer", None), ("ok", None)], 1),  # nobody is there
        ([("closed", None), ("throttled", None), ("ok", None)], 3),
        ([("denied", None), ("ok", None)], 1),
    ],
)
def test_what_is_tried_again(
    replies: list[tuple[str, str | None]], tried: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = contact.ActionModule.__new__(contact.ActionModule)
    action._timeout, action._name, action._directory = 10, "web1", tmp_path
    monkeypatch.setattr(action, "_display", SimpleNamespace(display=lambda _: None), raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    asked = iter(replies)
    done = []

    def login(**_: object) -> dict[str, object]:
        outcome, accepted = next(asked)
        done.append(outcome)
        return {"outcome": outcome, "fingerprint": accepted}

    action._login = SimpleNamespace(login=login)
    pins = SimpleNamespace(fingerprints=lambda: ["SHA256:pinned"])
    assert action._patient("web1", ROOT_LOGIN, "true", pins)["outcome"] == replies[tried - 1][0]
    assert len(done) == tried


OLD_PORT = {"user": "alice", "port": 2222}


@pytest.mark.parametrize(
    ("remembered", "doors", "tried"),
    [
        # first run
        (None, {("alice", 22): "denied", ("root", 22): "ok"}, ["alice 22: denied", "root 22: ok"]),
        # later runs
        (OLD_PORT, {("alice", 2222): "ok"}, ["alice 2222: ok"]),
        # installed anew, which closes the remembered port
        (
            OLD_PORT,
            {("alice", 22): "denied", ("root", 22): "ok"},
            ["alice 2222: refused", "alice 22: denied", "root 22: ok"],
        ),
        # installed anew, with both ports open
        (
            OLD_PORT,
            {("alice", 2222): "denied", ("alice", 22): "denied", ("root", 22): "ok"},
            ["alice 2222: denied", "root 22: ok"],
        ),
        (
            OLD_PORT,
            {("alice", 2222): "account refused", ("alice", 22): "denied", ("root", 22): "ok"},
            ["alice 2222: account refused", "root 22: ok"],
        ),
        # hardened by somebody else since
        (ROOT_LOGIN, {("root", 22): "denied", ("alice", 22): "ok"}, ["root 22: denied", "alice 22: ok"]),
        # nobody gets in: each account was refused once
        (
            OLD_PORT,
            {("alice", 2222): "denied", ("alice", 22): "denied", ("root", 22): "denied"},
            ["alice 2222: denied", "root 22: denied"],
        ),
    ],
)
def test_one_refused_login_at_most_precedes_the_one_that_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    remembered: dict[str, object] | None,
    doors: dict[tuple[str, int], str],
    tried: list[str],
) -> None:
    """A closed port is no refused login: the host does not count it."""
    assert reach(tmp_path, monkeypatch, remembered, doors) == tried


def test_another_operators_login_is_not_tried() -> None:
    """It would be one failed attempt in vain."""
    assert contact.order_candidates([ALICE, ROOT_LOGIN], {"user": "bob", "port": 22}) == [ALICE, ROOT_LOGIN]


def test_jump_host_gets_both_logins() -> None:
    """The operator's on the declared port, then the provider's."""
    assert contact.default_candidates(host("h", port=2222), "alice") == [ALICE, ROOT_LOGIN]


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    """The fingerprints that are shown can be compared with the provider's."""
    path = tmp_path / "k.pub"
    path.write_text(key(7) + "\n")
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=True).stdout
    assert contact.fingerprint(key(7)) == shown.split()[1]
    with pytest.raises(ValueError, match="not a public key"):
        contact.fingerprint("nonsense")


def test_declared_key_is_pinned_once(tmp_path: Path) -> None:
    """What the run pinned later is kept, until the declaration itself changes."""
    path = tmp_path / "web1"
    contact.Pins(path, "web1").declare(key(1))
    pins = contact.Pins(path, "web1")
    assert list(pins.fingerprints()) == [contact.fingerprint(key(1))]
    rotated = path.read_text().replace(key(1), key(2))
    path.write_text(rotated)
    contact.Pins(path, "web1").declare(key(1) + " root@web1")
    assert path.read_text() == rotated
    contact.Pins(path, "web1").declare(key(3))
    assert list(contact.Pins(path, "web1").fingerprints()) == [contact.fingerprint(key(3))]


def test_declaring_the_key_of_the_first_use_keeps_the_pins(tmp_path: Path) -> None:
    """Only the ground of trust changes."""
    path = tmp_path / "web1"
    path.write_text(f"web1 {key(1)} trusted on first use 2026-11-23\nweb1 {key(2)} read\n")
    contact.Pins(path, "web1").declare(key(1))
    assert len(contact.Pins(path, "web1").fingerprints()) == 2


def test_first_use_is_marked(tmp_path: Path) -> None:
    """A line that ssh has added gets its date, others keep theirs, twins go."""
    path = tmp_path / "web1"
    path.write_text(f"# declared: x\nweb1 {key(1)}\nweb1 {key(1)}\nweb1 {key(2)} read\n")
    contact.Pins(path, "web1").annotate("2026-11-23")
    assert path.read_text().splitlines() == [
        "# declared: x", f"web1 {key(1)} trusted on first use 2026-11-23", f"web1 {key(2)} read"
    ]  # fmt: skip


def test_ssh_config_as_ssh_reads_it(tmp_path: Path) -> None:
    """Names, jump hosts and paths with blanks and percent signs arrive."""
    directory = tmp_path / "my inventory 5%"
    directory.mkdir()
    hosts = {"bastion": host("2001:db8::1"), "web1": host("192.0.2.1", port=2222, jump="bastion")}
    logins = {"bastion": {"user": "root", "port": 22, "identity": "/k 1%"}}
    path = directory / "ssh_config"
    path.write_text(contact.render_ssh_config(hosts, logins, "alice", str(directory)))
    shown = subprocess.run(["ssh", "-F", str(path), "-G", "web1"], capture_output=True, text=True, check=True).stdout
    for line in ("hostname 192.0.2.1", "port 2222", "user alice", "hostkeyalias web1", "proxyjump bastion"):
        assert line in shown.splitlines()
    assert "stricthostkeychecking true" in shown or "stricthostkeychecking yes" in shown
    shown = subprocess.run(["ssh", "-F", str(path), "-G", "bastion"], capture_output=True, text=True, check=True).stdout
    assert "user root" in shown
    assert "hostname 2001:db8::1" in shown


def test_nothing_of_the_user_s_is_lent_to_a_host(tmp_path: Path) -> None:
    """A host that somebody has taken over could use the user's keys on all others while a run's connection is kept."""
    hosts = {"bastion": host("192.0.2.2"), "web1": host("192.0.2.1", jump="bastion")}
    own = tmp_path / "own"
    own.write_text(
        "Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  GSSAPIDelegateCredentials yes\n  Tunnel yes\n"
        "  PermitLocalCommand yes\n  LocalCommand id\n  RemoteForward 9 localhost:22\n  LocalForward 9 localhost:22\n"
        "  DynamicForward 9\n  Compression yes\n"
    )
    path = tmp_path / "ssh_config"
    path.write_text(contact.render_ssh_config(hosts, {}, "alice", str(tmp_path)).replace("~/.ssh/config", str(own)))
    for name in hosts:
        shown = subprocess.run(["ssh", "-F", str(path), "-G", name], capture_output=True, text=True, check=True).stdout
        lines = set(shown.splitlines())
        wanted = {"forwardagent no", "forwardx11 no", "gssapidelegatecredentials no", "permitlocalcommand no"}
        assert wanted | {"tunnel false", "clearallforwardings yes"} <= lines
        assert "compression yes" in lines, "the rest of the user's own settings counts"
    jump = subprocess.run(["ssh", "-F", str(path), "-G", "web1"], capture_output=True, text=True, check=True).stdout
    assert "proxyjump bastion" in jump


def test_a_host_without_an_answer_is_quoted_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says in its place is shown: it may not look like the end of a run, or like another host's."""
    action = contact.ActionModule.__new__(contact.ActionModule)
    login = SimpleNamespace(
        refusal=lambda: None, become_password=lambda: None, one_line=fresh_login.ActionModule.one_line
    )
    for name in ("_task", "_connection", "_play_context", "_loader", "_templar"):
        monkeypatch.setattr(action, name, None, raising=False)
    action._shared_loader_obj = SimpleNamespace(action_loader=SimpleNamespace(get=lambda *_, **_more: login))
    action._hosts, action._operator = {"web1": host("192.0.2.1")}, "alice"
    reply = {"stdout": "no\x1b[2J\nweb2: as declared", "stderr": "x\ny\0"}
    monkeypatch.setattr(action, "_reach", lambda *_: (ALICE, reply), raising=False)
    with pytest.raises(contact.ContactError) as refused:
        action._contact("web1", {"packages": [], "candidates": [ALICE]})
    assert str(refused.value) == "alice@web1: the host did not run the probe: no [2J web2: as declared x y"


def test_a_host_accuses_no_other(tmp_path: Path) -> None:
    """What a host says before it refuses a login stands beside ssh's own words: its own way in alone counts."""
    action = contact.ActionModule.__new__(contact.ActionModule)
    action._directory = tmp_path
    action._hosts = {"db1": host("192.0.2.3"), "bastion": host("192.0.2.2"), "web1": host("192.0.2.1", jump="bastion")}

    def said(name: str) -> str:
        banner = f"Host key for {name} has changed and you have requested strict checking.\n"
        return str(action._host_key_error("web1", {"stderr": banner, "host_key": None}))

    for other in ("db1", "nobody"):
        assert said(other).startswith("the host key of web1 is")
        assert "known_hosts/db1" not in said(other)
    assert f"remove {tmp_path}/known_hosts/bastion" in said("bastion")
    assert f"remove {tmp_path}/known_hosts/web1" in said("web1")


@pytest.mark.parametrize(
    ("user", "uid", "becomes"), [("root", 1000, False), ("root", 0, False), ("debian", 1000, True), ("toor", 0, False)]
)
def test_root_needs_no_sudo_whatever_the_host_says(user: str, uid: int, becomes: bool) -> None:
    """A host that calls root 1000 would be given the password of -K by a sudo of its own."""
    tasks = yaml.safe_load((ROOT / "roles/contact/tasks/main.yml").read_text())
    (template,) = [
        facts["ansible_become"]
        for task in tasks
        if "ansible_become" in (facts := task.get("ansible.builtin.set_fact", {}))
    ]
    decide = jinja2.Environment().compile_expression(template.strip("{} "))
    assert decide(contact_found={"user": user, "uid": uid}) is becomes


def test_many_forks_write_one_file(tmp_path: Path) -> None:
    """No half file is ever seen, and nothing is left behind."""
    path = tmp_path / "ssh_config"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: contact.write(path, f"{n}\n" * 2000, 0o600), range(40)))
    assert len(set(path.read_text().split())) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["ssh_config"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not contact.write(path, path.read_text(), 0o600)


def test_probe_runs_in_a_plain_shell() -> None:
    """The real command, run here, tells uid, system and packages."""
    command = contact.probe_command(["base-files", "no-such-package"], password=False)
    said = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=True,
        env={**os.environ, "SSH_CONNECTION": "fe80::1%eth0 5000 192.0.2.1 22"},
    )  # fmt: skip
    assert said.stderr == ""
    found = contact.parse_probe("Welcome=you\n" + said.stdout, ["base-files", "no-such-package"])
    assert found["uid"] == os.getuid()
    assert found["source_address"] == "fe80::1"
    assert "no-such-package" in found["packages_missing"]


def test_a_clock_that_differs_is_named_with_both_times() -> None:
    """Two days ahead and 400 days behind are told of, what a slow login explains is not."""
    now = 1_800_000_000
    for there in (now + 2 * 86400, now - 400 * 86400):
        said = contact.clock_difference("web1", there, now)
        assert "2027-01-15 08:00:00 UTC" in said
        assert time.strftime("clock of web1 says %Y-%m-%d %H:%M:%S UTC", time.gmtime(there)) in said
    assert [contact.clock_difference("web1", there, now) for there in (None, now - 290, now + 290)] == [""] * 3
    assert contact.parse_probe(f"probe=holdfast\nclock={now}\n", [])["seconds"] == now
    for unclear in ("", "²", "99999999999999999999"):
        assert contact.parse_probe(f"probe=holdfast\nclock={unclear}\n", [])["seconds"] is None
    assert contact.parse_probe("probe=holdfast\nclock=-86400\n", [])["seconds"] == -86_400


def test_a_host_s_name_for_its_system_moves_no_cursor() -> None:
    probe = fresh_login.printable("probe=holdfast\nos_name=Debian \x1b[2J\rGNU\n")
    assert contact.parse_probe(probe, [])["os"]["name"] == "Debian  [2J GNU"


def test_probe_output_of_a_bare_host() -> None:
    """What is not said is not there; what a profile prints before is ignored."""
    text = "uid=5\nprobe=holdfast\nuid=1000\nconnection=192.0.2.9 1 192.0.2.1 22\nos_id=ubuntu\nsudo=asks\n"
    found = contact.parse_probe(text + "package=sudo ii \npackage=nftables rc \n", ["sudo", "nftables"])
    assert (found["uid"], found["python"], found["docker"], found["sudo"]) == (1000, False, False, "asks")
    assert not found["apparmor"]
    assert contact.parse_probe("probe=holdfast\napparmor=yes\n", [])["apparmor"]
    assert found["packages_missing"] == ["nftables"]
    with pytest.raises(ValueError, match="did not run"):
        contact.parse_probe("This account is not available.", [])


def test_a_denied_login_tells_what_a_key_needs_that_asks() -> None:
    """ssh says no more than `denied` of a security key whose PIN it could not ask for."""
    action = contact.ActionModule.__new__(contact.ActionModule)
    action._tries = ["alice@web1 port 22: denied", "root@web1 port 22: denied"]
    said = action._no_login("web1", ["denied", "denied"], "Permission denied (publickey).")
    assert "one with a PIN in an agent that asks for it, and a security key to be touched" in said
    assert "agent" not in action._no_login("web1", ["no answer"], "timed out")


def test_a_host_that_took_the_key_and_said_no_more_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address and its firewall are right; where nobody was to touch a key, its logins hang."""
    action = contact.ActionModule.__new__(contact.ActionModule)
    action._directory, action._hosts, action._name, action._tries = tmp_path, {"web1": host("192.0.2.1")}, "web1", []
    shown: list[str] = []
    monkeypatch.setattr(action, "_display", SimpleNamespace(display=shown.append), raising=False)
    action._login = SimpleNamespace(one_line=fresh_login.ActionModule.one_line)
    answers = {"alice": ("no answer", "SHA256:abc"), "root": ("denied", None)}

    def once(_name: str, login: dict[str, object], *_: object) -> dict[str, object]:
        outcome, key = answers[str(login["user"])]
        return {"outcome": outcome, "stderr": "", "host_key": None, "fingerprint": key}

    monkeypatch.setattr(action, "_patient", once)
    monkeypatch.setattr(action, "_known", lambda _: None)
    with pytest.raises(contact.ContactError, match=r"after the key was taken; root@web1 port 22: denied.*logins hang"):
        action._reach("web1", [{"user": "alice", "port": 22}, ROOT_LOGIN], "true")
    assert "  alice@web1 port 22: no answer after the key was taken" in shown
