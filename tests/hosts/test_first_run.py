"""First runs from every kind of beginning, and what must stop one before it touches anything."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import HOST, Hardened, Target
from .starts import OVER_TO_THE_SOCKET, REFUSED, SITE, UNITS, Witness, edit_host, edit_person, own, pinned

if TYPE_CHECKING:
    from pathlib import Path

CLOUD = """
useradd --create-home --shell /bin/bash debian
install -d -m 700 -o debian -g debian /home/debian/.ssh
install -m 600 -o debian -g debian /root/.ssh/authorized_keys /home/debian/.ssh/authorized_keys
sed -i 's/^/no-port-forwarding,command="echo Please login as debian;sleep 1;exit 142" /' /root/.ssh/authorized_keys
echo 'debian ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/90-cloud-init-users
chmod 440 /etc/sudoers.d/90-cloud-init-users
echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/50-cloud-init.conf
systemctl restart ssh
"""
# Somebody who is declared was there before, and the password is due for a change: who has none cannot change it.
AGED = "useradd --create-home bob; echo bob:before | chpasswd; chage -M 90 -I 7 -d 0 bob"
WEAK_KEYS = """
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key
ssh-keygen -q -t ecdsa -b 256 -N '' -f /etc/ssh/ssh_host_ecdsa_key
systemctl restart ssh
"""
# On the host: many connections from outside would only meet the limit that is meant for them.
DOORS = "ss -Hltn; nft list table inet holdfast"
ATTACK = "tests/hosts/playbooks/attack.yml"
# As at the release's first day, before any update.
OLD_SSHD = r"sed -i -E '/^Package: openssh-/,/^$/ s/([0-9]:[0-9.]+p[0-9])-[^ ),]+/\1-0/g' /var/lib/dpkg/status"
SSHD_VERSION = "dpkg-query -W -f '${Version}' openssh-server"


def write_vars(folder: Path, **values: Any) -> list[str]:
    """Arguments that hand variables to a run in a file: a password does not belong on a command line."""
    path = folder / "vars.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    path.chmod(0o600)
    return ["-e", f"@{path}"]


def is_open(target: Target, port: int) -> bool:
    """Whether something answers with SSH's banner there."""
    try:
        with socket.create_connection((target.host.address, port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def shows(text: str, port: int) -> bool:
    """Whether sshd listens on the port and the firewall admits it, by the output of DOORS."""
    return f":{port} " in text and f'"SSH {port}/tcp"' in text


@pytest.mark.both
def test_second_run_changes_nothing(target: Target, hardened: Hardened) -> None:
    """The first run changed the host; the next one, and check mode before it, change nothing."""
    assert hardened.first_run.changed > 0
    witness = Witness(target)
    check = target.play(SITE, "--check", "--diff")
    assert check.changed == 0, check.text
    witness.assert_untouched()
    again = target.play(SITE)
    assert again.changed == 0, again.text
    witness.assert_untouched()


def test_one_login_for_a_run_without_change(target: Target) -> None:
    """What finds the login that works is also what the tasks run over; the next run takes nobody's word for it."""
    said = "journalctl -q -t sshd -t sshd-session -g '^Accepted publickey for oper' --since @{since} -o cat | wc -l"
    refused = target.sh(REFUSED)
    for expected in (1, 1):
        since = float(target.sh("date +%s.%N"))
        target.play(SITE)
        assert int(target.sh(said.format(since=since))) == expected
    assert target.sh(REFUSED) == refused


@pytest.mark.both
def test_check_mode_on_a_bare_host(bare: Target) -> None:
    """Check mode tells what a first run would do, and does none of it; then the first run does it.

    The image is an old one, by what apt knows: its sshd is brought up to date before it is given its settings.
    """
    bare.sh(OLD_SSHD)
    old = bare.sh(SSHD_VERSION)
    witness = Witness(bare)
    check = bare.play(SITE, "--check", "--diff")
    assert check.changed > 0
    witness.assert_untouched()
    assert bare.ssh("root", "true", key="oper") == 0
    bare.play(SITE)
    assert bare.sh(SSHD_VERSION) != old
    assert bare.play(SITE).changed == 0


def test_cloud_image(bare: Target) -> None:
    """The default user of a cloud image opens the door to the first run, and is closed and deleted by it.

    Another account that was there is a declared person's, and becomes one.
    """
    bare.sh(CLOUD + AGED)
    edit_host(bare, ssh={"first_user": "debian"})
    stays = subprocess.Popen(
        ["ssh", "-F", "none", "-i", str(bare.inventory.keys["oper"]), "-o", "StrictHostKeyChecking=accept-new", "-o",
         f"UserKnownHostsFile={bare.inventory.path.parent}/seen", f"debian@{bare.host.address}", "sleep 600"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(1)
        assert stays.poll() is None
        bare.play(SITE)
        assert stays.wait(timeout=10) != 0, "the provider's account kept its session"
    finally:
        stays.kill()
    assert "debian" not in bare.sh("cut -d: -f1 /etc/passwd").split()
    assert bare.ssh("debian", "true", key="oper") != 0
    assert bare.ssh("root", "true", key="oper") != 0
    assert "passwordauthentication no" in bare.sh("sshd -T -C user=nobody,host=a,addr=192.0.2.1")
    assert bare.ssh("oper") == 0
    assert bare.ssh("bob", "true") == 0
    assert bare.play(SITE).changed == 0


def test_containers_are_not_cut_off(bare: Target) -> None:
    """A host with Docker is refused whatever it passes on instead of the containers' packets, before it is touched."""
    bare.sh("install -m 755 /dev/null /usr/bin/dockerd")
    cards = [{"name": "backend", "interface": "eth1", "address": "10.99.0.9"}]
    witness = Witness(bare)
    for forwards in ("none", "router"):
        edit_host(bare, forwards=forwards, networks=cards)
        refused = bare.play(SITE, expect=2)
        assert f"Docker is installed, and host.forwards is '{forwards}'" in refused.text
        witness.assert_untouched()


def test_port_change(target: Target, tmp_path: Path) -> None:
    """One of the ports is open at any time; afterwards only the new one is, and the next run finds it.

    Save for the blink of a reload: sshd lets go of its sockets and starts itself anew. Two looks in a row see it back.
    """
    mine = own(target, tmp_path)
    edit_host(mine, ssh={"port": 2222})
    seen: list[tuple[bool, bool]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            shown = mine.sh(DOORS)
            seen.append((shows(shown, 22), shows(shown, 2222)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run = mine.play(SITE)
    finally:
        done.set()
        watcher.join()
    assert run.changed > 0
    closed = [pair == ((False, False), (False, False)) for pair in itertools.pairwise(seen)]
    assert not any(closed), "for longer than a reload no port was open"
    assert (True, True) in seen, "the two ports were never open together"
    assert (is_open(mine, 22), is_open(mine, 2222)) == (False, True)
    assert mine.ssh("oper", port=2222) == 0
    assert "2222" in mine.sh("nft list table inet holdfast")
    assert 'comment "SSH 22/tcp"' not in mine.sh("nft list table inet holdfast")
    again = mine.play(SITE)
    assert again.changed == 0, again.text
    # Another controller knows nothing of the port but what is declared.
    (mine.inventory.path / ".holdfast/logins" / f"{HOST}.json").unlink()
    assert mine.play(SITE).changed == 0


def test_declared_host_key(bare: Target) -> None:
    """A host that does not show the declared key is left alone; one that does is not trusted on first use."""
    right = " ".join(bare.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    wrong = " ".join(bare.inventory.keys["stranger"].with_suffix(".pub").read_text(encoding="utf-8").split()[:2])
    witness = Witness(bare)
    edit_host(bare, ssh={"host_key": wrong})
    refused = bare.play(SITE, expect=None)
    assert refused.code != 0
    assert "the host key of web1 is not the pinned one" in refused.text
    assert "Accepted" not in bare.sh("journalctl -q -t sshd -t sshd-session --no-pager")
    witness.assert_untouched()
    edit_host(bare, ssh={"host_key": right})
    good = bare.play(SITE)
    assert "as declared" in good.text
    assert "trusted on first use" not in good.text + pinned(bare)
    assert bare.play(SITE).changed == 0


def test_weak_host_keys(bare: Target) -> None:
    """Weak host keys are replaced, and no login stumbles over the new ones."""
    bare.sh(WEAK_KEYS)
    run = bare.play(SITE)
    assert "host key:" not in run.text
    assert "Host key verification failed" not in run.text
    assert bare.ssh("oper") == 0
    kept = pinned(bare)
    assert "ssh-ed25519" in kept
    assert "ecdsa" not in kept
    bits = int(bare.sh("ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub").split()[0]) if "ssh-rsa" in kept else 4096
    assert bits >= 3072
    again = bare.play(SITE)
    assert again.changed == 0, again.text


def test_socket_activation(bare: Target) -> None:
    """A host whose sshd is started by systemd's socket ends with sshd itself listening."""
    bare.sh(OVER_TO_THE_SOCKET)
    bare.play(SITE)
    assert bare.sh(UNITS, check=False).split() == ["active", "inactive", "enabled", "disabled"]
    assert bare.ssh("oper") == 0
    assert bare.play(SITE).changed == 0


def test_an_sshd_that_systemd_lost(target: Target) -> None:
    """An sshd outside of its unit holds the port: the run goes through it, ends it, and leaves the unit's own."""
    target.sh("systemctl stop ssh.service; mkdir -p /run/sshd; systemd-run --quiet --unit=lost /usr/sbin/sshd -D")
    target.host.wait_port(22)
    run = target.play(SITE)
    assert "start ssh.service" in run.text
    assert target.sh("systemctl is-active ssh.service lost.service", check=False).split() == ["active", "inactive"]
    assert target.ssh("oper") == 0
    assert target.play(SITE).changed == 0


def test_revert_to_socket_activation(target: Target, tmp_path: Path) -> None:
    """A revert of the move to ssh.service brings ssh.socket back."""
    target.sh(OVER_TO_THE_SOCKET)
    assert target.ssh("oper") == 0  # which starts ssh.service
    before = target.sh(UNITS, check=False)
    stage = {
        "files": [{"path": "/etc/ssh/sshd_config.d/00-aaa-attack.conf", "content": "DenyUsers oper\n", "mode": "0600"}],
        "validate": [["/usr/sbin/sshd", "-t"]],
        "reload": ["ssh"],
        "units": [
            {"name": "ssh.socket", "enabled": False, "active": False},
            {"name": "ssh.service", "enabled": True, "active": True},
        ],
    }
    began = time.monotonic()
    run = target.play(ATTACK, *write_vars(tmp_path, attack_stage=stage, attack_seconds=15), expect=2)
    assert "denied" in run.text, run.text[-3000:]
    while target.ssh("oper", seconds=3) != 0:
        assert time.monotonic() - began < 45, "locked out"
        time.sleep(0.5)
    assert target.sh(UNITS, check=False) == before
    target.play(SITE)
    assert target.sh(UNITS, check=False).split() == ["active", "inactive", "enabled", "disabled"]


def test_no_python(bare: Target) -> None:
    """A host without Python gets it; check mode says so and leaves it."""
    bare.sh(
        "DEBIAN_FRONTEND=noninteractive apt-get -qy purge --autoremove 'python3*' >/dev/null 2>&1; ! command -v python3"
    )
    witness = Witness(bare)
    assert "would install Python first" in bare.play(SITE, "--check").text
    witness.assert_untouched()
    bare.play(SITE)
    assert bare.ssh("oper") == 0
    assert bare.play(SITE).changed == 0


def test_sudo_with_a_password(bare: Target, tmp_path: Path) -> None:
    """An admin whose sudo asks for a password runs with it; a wrong one or none ends the run with its reason."""
    given = bare.inventory
    key = str(given.keys["alice"])
    bare.host.exec(
        ["tee", "-a", "/root/.ssh/authorized_keys"], stdin=given.keys["alice"].with_suffix(".pub").read_bytes()
    )

    def run(expect: int | None = 0, **password: str) -> Any:
        arguments = write_vars(tmp_path, ansible_ssh_private_key_file=key, operator="alice", **password)
        return bare.play(SITE, *arguments, expect=expect)

    witness = Witness(bare)
    none = run(expect=2)
    assert "ask-become-pass" in none.text
    witness.assert_untouched()
    # root's login needs no sudo, but the next run's would.
    wrong = run(expect=2, ansible_become_password="not-her-password")
    assert "vault.password_hashes.alice" in wrong.text
    assert "not-her-password" not in wrong.text
    witness.assert_untouched()
    assert bare.ssh("root", "true", key="alice") == 0
    right = given.secrets["alice_password"]
    assert run(ansible_become_password=right).changed > 0
    again = run(ansible_become_password=right)
    assert again.changed == 0, again.text
    assert right not in again.text
    witness = Witness(bare)
    wrong = run(expect=None, ansible_become_password="not-her-password")
    assert wrong.code != 0
    assert "sudo" in wrong.text
    assert "password" in wrong.text
    assert "not-her-password" not in wrong.text
    witness.assert_untouched()


def test_operator_is_refused_before_anything_is_touched(bare: Target, tmp_path: Path) -> None:
    """Who could not log in next time may not start: not declared, another key, another network."""
    witness = Witness(bare)
    bare.play(SITE, "-e", "operator=mallory", expect=2)
    assert not pinned(bare), "a host was contacted for an operator who is not declared"
    # alice's rights, the operator's key
    other = bare.play(SITE, *write_vars(tmp_path, operator="alice", ansible_become_password="x"), expect=2)
    assert "is none of alice's" in other.text
    edit_person(bare, "oper", **{"from": ["192.0.2.0/24"]})
    elsewhere = bare.play(SITE, expect=2)
    assert "`from` admits 192.0.2.0/24 only" in elsewhere.text
    edit_person(bare, "oper", **{"from": "any"})
    edit_host(bare, ssh={"sources": ["192.0.2.0/24"]})
    firewalled = bare.play(SITE, expect=2)
    assert "host.ssh.sources" in firewalled.text
    witness.assert_untouched()
