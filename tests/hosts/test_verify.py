"""The verification itself: it changes nothing, asks for what it needs, and says in one message what kept it out."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lab import inventory

from .conftest import HOST, Hardened, Target
from .reports import VERIFY, details, verify
from .searching import KEPT, Sampler, on_controller, search
from .starts import SITE, Witness, own, same_people
from .terminal import Terminal
from .test_first_run import write_vars
from .test_secrets import run_as_root_on

if TYPE_CHECKING:
    from pathlib import Path

    from lab.hosts import Lab


def test_a_run_may_follow_at_once(target: Target, tmp_path: Path) -> None:
    """The refused logins of a verification do not shut out its own address: no try is turned away, or made again."""
    mine = own(target, tmp_path)
    mine.environment["PYTEST_ADDOPTS"] = "-k root_refused"  # for tests of the user's own: no promise is left out for it
    run, data = verify(mine, tmp_path / "report", verify_outsider="")
    after = mine.play(SITE)
    assert after.changed == 0
    tried = {"root_refused", "password_refused", "stranger_refused", "unknown_refused", "expired_refused"}
    assert tried <= set(details(data, HOST, "passed")), run.text[-3000:]
    assert "trying again" not in run.text + after.text, after.text
    assert mine.sh("journalctl --no-pager -o cat | grep 'drop connection' || true") == ""


class Gone:
    """A host at an address where nobody answers."""

    name, address = "gone", "192.0.2.77"


def test_what_kept_it_out(lab: Lab, release: str, hardened: Hardened, tmp_path: Path) -> None:
    """One is down, one has another host key, one was never hardened: a message each, and the last is verified."""
    hosts = {name: lab.start(name, release, image=hardened.image) for name in (HOST, "swapped")}
    hosts["fresh"] = lab.start("fresh", release)
    try:
        written = inventory.write(tmp_path / "inventory", [*hosts.values(), Gone()], extra={"contact_timeout": 3})
        same_people(hardened, written)
        pin(written, HOST, (hardened.inventory.path / "known_hosts" / HOST).read_text(encoding="utf-8"))
        stranger = written.keys["stranger"].with_suffix(".pub").read_text(encoding="utf-8").split()
        pin(written, "swapped", f"swapped {stranger[0]} {stranger[1]}\n")
        witnesses = [Witness(Target(host, written)) for host in hosts.values()]
        run, data = verify(Target(hosts[HOST], written), tmp_path / "report", expect=2)
        for witness in witnesses:
            witness.assert_untouched()
    finally:
        for host in hosts.values():
            host.stop()
    said = {one.partition(" ")[0]: one for one in data["problems"]}
    assert sorted(said) == ["fresh", "gone", "swapped"], data["problems"]
    assert "the host key of swapped is not the pinned one" in said["swapped"]
    assert "gone could not be reached" in said["gone"]
    assert "never hardened" in said["fresh"]
    assert SITE in said["fresh"]
    shown = " ".join(run.text.split())
    assert [shown.count(one) for one in said.values()] == [1, 1, 1], run.text
    assert "broken:" not in shown
    assert len(shown) < 6000, run.text
    for name in ("gone", "swapped"):
        assert not details(data, name, "passed"), f"{name} was not entered and kept a promise"
    assert "who is no declared admin" in str(details(data, "fresh", "failed")["right_people"])
    assert not details(data, HOST, "failed")
    assert len(details(data, HOST, "passed")) > 20


def pin(written: inventory.Inventory, name: str, lines: str) -> None:
    """Let the runs know a host by these keys."""
    path = written.path / "known_hosts" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines, encoding="utf-8")


@pytest.mark.full
def test_ports_opened_late_on_several_hosts(lab: Lab, release: str, hardened: Hardened, tmp_path: Path) -> None:
    """A port that opens while the scans run, so that nobody could have told them of it, is found on each host."""
    doors = {"late1": ("ipv4", 65001), "late2": ("ipv6", 65002)}
    hosts = [lab.start(name, release, image=hardened.image) for name in doors]
    try:
        written = inventory.write(tmp_path / "inventory", hosts)
        same_people(hardened, written)
        outsider = lab.outsider()
        report = tmp_path / "report"
        arguments = json.dumps({"verify_outsider": shlex.join(outsider), "verify_report": str(report)})
        process = Target(hosts[0], written).start(VERIFY, "-e", arguments)
        scanning = [*outsider, "pgrep", "-f", "holdfast-verify"]
        while subprocess.run(scanning, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        for host in hosts:
            family, port = doors[host.name]
            host.exec(["nft", f"insert rule inet holdfast input meta nfproto {family} tcp dport {port} accept"])
        text, _ = process.communicate(timeout=300)
    finally:
        for host in hosts:
            host.stop()
    data = json.loads((report / "results.json").read_text(encoding="utf-8"))
    for name, (family, port) in doors.items():
        (found,) = details(data, name, "failed")["tcp_ports"]
        said = f"ports that answer on IP{family[2:]}:\n- {port}/tcp is refused, and nobody declared it"
        assert found == said, text[-3000:]


def asked(target: Target, folder: Path, password: str, *more: str) -> tuple[int, str]:
    """Verify as alice with -K, typing a password; return exit code and output."""
    arguments = write_vars(
        folder,
        operator="alice",
        ansible_ssh_private_key_file=str(target.inventory.keys["alice"]),
        verify_report=str(folder / "report"),
    )
    shown = Terminal(target.command(VERIFY, "-K", *more, *arguments))
    shown.expect("BECOME password:", 30)
    shown.type(password)
    return shown.ended(240), shown.text


def test_asked_for_the_sudo_password(target: Target, tmp_path: Path) -> None:
    """-K serves for every host, and the password is seen nowhere."""
    mine = own(target, tmp_path)
    secrets = {"alice_password": mine.inventory.secrets["alice_password"]}
    since = time.time()
    here, there = Sampler([]), Sampler([*mine.container.engine.command, "exec", mine.container.container])
    try:
        code, text = asked(mine, tmp_path, secrets["alice_password"], "-vvv")
    finally:
        seen = {"processes of the controller": here.stop(), "processes of the host": there.stop()}
    assert code == 0, text[-4000:]
    assert ", 0 broken" in text
    seen |= {"output": text.encode(), "kept on the host": run_as_root_on(mine, KEPT)}
    seen |= dict(on_controller(mine.inventory.path, since))
    seen |= {str(path): path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert [line for where, data in seen.items() for line in search(where, data, secrets)] == []
    assert b"--sudo-passwords-stdin" in seen["processes of the controller"], "the suite was not among what was searched"


@pytest.mark.full
def test_a_wrong_sudo_password(target: Target, tmp_path: Path) -> None:
    """One message, which neither shows the password nor repeats itself for each promise."""
    mine = own(target, tmp_path)
    code, text = asked(mine, tmp_path, "not-her-password")
    assert code == 2, text[-4000:]
    said = f"problem: {HOST} could not be examined: sudo refuses the password that was given"
    assert " ".join(text.split()).count(said) == 1, text[-4000:]
    assert "broken:" not in text
    assert "not-her-password" not in text


@pytest.mark.full
def test_no_sudo_password(target: Target, tmp_path: Path) -> None:
    """A sudo that asks, and no password: the run says so, and does not verify with somebody else's login."""
    mine = own(target, tmp_path)
    key = str(mine.inventory.keys["alice"])
    variables = {"operator": "alice", "ansible_ssh_private_key_file": key}
    _, data = verify(mine, tmp_path / "report", expect=2, **variables)
    assert "Run again with -K" in data["problems"][0]
    assert not details(data, HOST, "passed")
