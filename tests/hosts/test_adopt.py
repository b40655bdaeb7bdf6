"""A host that already runs: nothing is taken away unasked, an audit only looks, an import describes what is there."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab import inventory

from .conftest import HOST, ROOT, Target
from .reports import checks, details, verify
from .starts import PACKAGE, SITE, Witness, edit, edit_host
from .traffic import LIKE_A_VPS, ask, attach, eventually, install, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.hosts import Lab

    from .conftest import Run

pytestmark = pytest.mark.slow

PORT = 9100
PURGE = {"purge": True, "packages": ["zabbix-agent"]}
AUDIT = "playbooks/audit.yml"
APP = "getent passwd app; getent shadow app"
PASSWORD = "seldom-Harvest-91-quartz-lantern"
# An admin of old, with a key of nobody whom the inventory knows.
WALTER = """
useradd --create-home --shell /bin/bash walter
install -d -m 0700 -o walter -g walter /home/walter/.ssh
cat > /home/walter/.ssh/authorized_keys
chown walter: /home/walter/.ssh/authorized_keys
echo 'walter ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/walter
chmod 0440 /etc/sudoers.d/walter
"""
# An account of a program, without a shell; an account of the system, as which people enter with a key.
PROGRAMS = """
useradd --create-home --shell /usr/sbin/nologin app
useradd --system --create-home --home-dir /srv/git --shell /bin/bash git
install -d -m 0700 -o git -g git /srv/git/.ssh
cat > /srv/git/.ssh/authorized_keys
chown git: /srv/git/.ssh/authorized_keys
"""
# A program that makes everybody root, and a unit that starts by itself.
HELPER = r"""
install -m 4755 /bin/true /usr/local/bin/helper
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/helper.service
systemctl enable --quiet helper.service
"""

# A package with a program that is set-uid and one that starts at boot, held back; and a bit that nobody's package set.
MONITOR = (
    """
mkdir -p /root/fping/usr/bin /root/fping/usr/lib/systemd/system
install -m 4755 /bin/true /root/fping/usr/bin/fping
cat > /root/fping/usr/lib/systemd/system/fping.service <<END
[Service]
ExecStart=true
[Install]
WantedBy=multi-user.target
END
"""
    + PACKAGE.format("fping", "")
    + "rm -r /root/fping; systemctl enable fping.service; apt-mark hold fping; chmod u+s /usr/bin/find"
)

# A tunnel that wg-quick sets up at each boot: with a program of its own where the kernel of the tests lacks WireGuard,
# as the peer's end does in a namespace. Between it and a private host, the machine passes packets on.
TUNNEL = """
set -e
umask 077
for end in wg0 peer0; do wg genkey > /run/$end.key; done
cat > /etc/wireguard/wg0.conf <<END
[Interface]
Address = 10.66.0.1/24
ListenPort = 51820
PrivateKey = $(cat /run/wg0.key)
[Peer]
PublicKey = $(wg pubkey < /run/peer0.key)
AllowedIPs = 10.66.0.2/32
END
echo 1 > /proc/sys/net/ipv4/ip_forward
systemctl enable --now wg-quick@wg0
away() { ip netns exec away "$@"; }
away wireguard-go peer0 > /dev/null
away wg set peer0 private-key /run/peer0.key
away ip address add 10.66.0.2/24 dev peer0
away ip link set peer0 up
away ip route add 10.77.0.0/24 dev peer0
ip -n inside route add 10.66.0.0/24 via 10.77.0.1
"""
# A peer that was told of anew asks at once.
MEET = """
set -e
key=$(wg pubkey < /run/wg0.key)
away() { ip netns exec away wg set peer0 peer "$key" "$@"; }
away remove
away endpoint 192.0.2.1:51820 allowed-ips 0.0.0.0/0
"""

# A mail server's account, a second port of sshd, own rules at boot, packets for another card, published ports.
THROUGH = f"""
useradd --system postfix
printf 'Port 22\\nPort 2222\\n' > /etc/ssh/sshd_config.d/60-ports.conf
systemctl reload ssh
echo 'table inet own {{ chain in {{ type filter hook input priority 0; tcp dport 9 drop; }}; }}' >> /etc/nftables.conf
systemctl enable nftables
{LIKE_A_VPS}
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add lan0 type veth peer name lan1
ip link set lan0 up
iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 192.0.2.2:80
iptables -t nat -A PREROUTING -p udp --dport 20000: -j DNAT --to-destination 192.0.2.2
nft 'add table ip own; add chain ip own pre {{ type nat hook prerouting priority dstnat; }}'
nft add rule ip own pre udp dport 8081 dnat to 192.0.2.2:81
"""


@pytest.fixture
def used(bare: Target) -> Target:
    """A host that somebody has used: accounts of a person and of programs, a program that others reach, packages."""
    for script, holder in ((WALTER, "stranger"), (PROGRAMS, "alice")):
        bare.host.exec(["sh", "-ec", script], stdin=bare.inventory.keys[holder].with_suffix(".pub").read_bytes())
    bare.sh(PACKAGE.format("telnetd", "") + PACKAGE.format("zabbix-agent", ""))
    serve(bare.host, PORT)
    return bare


def keep_app(data: Any) -> None:
    """Let the account app be: a program needs it."""
    data["policy"].setdefault("access", {})["keep_accounts"] = ["app"]


def fingerprint(target: Target, person: str) -> str:
    """Return the fingerprint of a person's key as ssh-keygen shows it."""
    command = ["ssh-keygen", "-l", "-f", str(target.inventory.keys[person].with_suffix(".pub"))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


def test_nothing_is_taken_away_unasked(used: Target) -> None:
    """The first run refuses, says what to write, and goes on once that is written. An audit before it only looks."""
    accept = [
        "account walter",
        f"key {fingerprint(used, 'stranger')}",
        f"key {fingerprint(used, 'alice')}",
        "package telnetd",
        "setuid /usr/local/bin/helper",
        "unit helper.service",
        f"port {PORT}/tcp",
    ]
    used.sh(HELPER)
    edit(used, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(PURGE))
    witness = Witness(used)
    assert "only looks" in used.play(AUDIT, expect=2).text
    looked = used.play(AUDIT, "--check")
    assert f"would close {PORT}/tcp, on which python3 as root listens" in looked.text
    assert "would purge telnetd" in looked.text
    assert "would disable and stop helper.service" in looked.text
    assert "promises" in looked.text
    refused = used.play(SITE, expect=2)
    witness.assert_untouched()
    for text in (looked.text, refused.text):
        for entry in ["account app", *accept]:
            assert f"- {entry}" in text
        assert f"would no longer let in git's key {fingerprint(used, 'alice')}" in text
        assert "package zabbix-agent" not in text

    kept = used.sh(APP)
    edit(used, "group_vars/all/policy.yml", keep_app)
    edit_host(used, accept=accept[:-1])
    refused = used.play(SITE, expect=2)
    assert f"- {accept[-1]}" in refused.text
    assert "- account" not in refused.text
    edit_host(used, accept=accept)
    assert used.play(SITE).changed
    assert used.ssh("walter", "true", key="stranger") != 0
    assert used.sh(APP) == kept
    assert used.sh("stat -c %a /usr/local/bin/helper; systemctl is-enabled helper", check=False).split() == [
        "755", "disabled",
    ]  # fmt: skip
    assert used.sh("dpkg-query -W -f '${Package} ' telnetd zabbix-agent 2>/dev/null || true").split() == [
        "zabbix-agent"
    ]
    assert used.play(SITE).changed == 0


def test_nobody_is_cut_off_unasked(bare: Target) -> None:
    """Connections of an account, sshd's other port, rules and packets of others, published ports: each is asked for."""
    install(bare.host, "nftables", "iptables")
    bare.sh("set -e" + THROUGH)
    # That opens the port 8080 of the host itself, and nothing behind it.
    mail = {"name": "postfix", "on": ["web"], "listen": [{"port": 25}, {"port": 8080}]}
    edit(bare, "group_vars/all/services.yml", lambda data: data["services"].append(mail))
    accept = ["egress postfix", "forwarding", "nftables.conf"]
    accept += ["port 20000-65535/udp", "port 2222/tcp", "port 8080/tcp", "port 8081/udp"]
    witness = Witness(bare)
    looked, refused = bare.play(AUDIT, "--check"), bare.play(SITE, expect=2)
    witness.assert_untouched()
    listed = [f"- {entry}" for entry in accept]
    assert [line.strip() for line in refused.text.splitlines() if line.startswith("    - ")] == listed
    for text in (looked.text, refused.text):
        assert set(listed) <= {line.strip() for line in text.splitlines()}
        assert "would refuse the connections that the account postfix opens" in text
        assert "would close 2222/tcp, on which sshd as root listens" in text
        assert "would close 8080/tcp, which is passed on to a container or another machine" in text
    edit_host(bare, accept=accept)
    assert bare.play(SITE).changed
    assert bare.play(SITE).changed == 0


def test_an_audit_scores_whom_a_run_would_refuse(target: Target, tmp_path: Path) -> None:
    """It tells of the promises of such a host, and then why a run would leave it."""
    target.sh("printf 'Match User mallory\\n    PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/60-other.conf")
    audit = target.play(AUDIT, "--check", "-e", f"verify_report={tmp_path}", expect=2)
    assert "/etc/ssh/sshd_config.d/60-other.conf:2: 'PasswordAuthentication yes'" in audit.text
    outcomes = [outcome for _, outcome, _ in checks(json.loads((tmp_path / "results.json").read_text()), HOST)]
    assert outcomes.count("passed") > 50


def draw_up(target: Target, folder: Path, user: str, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run import.yml as a user does who enters as ``user``; the draft goes to ``folder``/draft."""
    # In the place of the user's own ~/.ssh, which no test touches.
    known = f"-o UserKnownHostsFile={folder}/known_hosts -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/import.yml",
        "-i", f"{target.host.address},", "-u", user, "--private-key", str(target.inventory.keys[key]),
        "-e", f"to={folder}/draft", "-e", json.dumps({"ansible_ssh_args": known}), *arguments,
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def declare_draft(target: Target, folder: Path) -> tuple[str, str]:
    """Let the draft in ``folder`` be the host's inventory; return the arguments with which the operator runs it."""
    target.inventory.path.rename(folder / "old")
    (folder / "draft").rename(target.inventory.path)
    (folder / "old/keys").rename(target.inventory.path / "keys")
    return "-e", f"ansible_ssh_private_key_file={target.inventory.keys['oper']}"


def asked(run: Run) -> list[str]:
    """Return the entries of host.accept that a refused run asks for, or a check says that one would; each once."""
    entries = r"(?m)^ +- ((?:account|egress|key|package|port|setuid|unit) .+|forwarding|nftables\.conf)$"
    return list(dict.fromkeys(re.findall(entries, run.text)))


def test_import_describes_what_is_there(used: Target, tmp_path: Path) -> None:
    """The draft passes preflight, and a run with it takes nothing away: admins, accounts of programs and ports stay.

    A key to an account of a program is asked about, and, where all else is to go, a set-uid program that no package
    brings so. Verify finds nothing then that nobody declared.
    """
    draft = tmp_path / "draft"
    used.sh(f"set -e\n{MONITOR}")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return draw_up(used, tmp_path, "root", "oper", *arguments)

    unsaid = run()
    assert unsaid.returncode == 2
    assert "-e verifier=NAME" in unsaid.stdout
    witness = Witness(used)
    done = run("-e", "verifier=margaret")
    assert done.returncode == 0, done.stdout
    witness.assert_untouched()
    assert f"git's ssh-ed25519 key {fingerprint(used, 'alice')} opens an account of a program" in done.stdout
    assert "beyond Debian's own brings them so: /usr/bin/find. " in " ".join(done.stdout.split()), done.stdout
    again = run("-e", "verifier=margaret")
    assert again.returncode == 2
    assert "exists" in again.stdout

    people = yaml.safe_load((draft / "group_vars/all/people.yml").read_text())["people"]
    assert {person["name"]: next(iter(person["rights"][0])) for person in people} == {
        "oper": "admin",
        "walter": "admin",
    }
    assert yaml.safe_load((draft / "group_vars/all/policy.yml").read_text())["policy"] == {
        "access": {"verifiers": ["margaret"], "keep_accounts": ["app"]},
        "base": {
            "packages": ["fping", "telnetd", "zabbix-agent"],
            "units": ["fping.service", "provider-first-boot.service"],
            "setuid": ["/usr/bin/fping"],
        },
        "updates": {"held": ["fping"]},
    }
    mine = declare_draft(used, tmp_path)
    git, app = f"key {fingerprint(used, 'alice')}", used.sh(APP)
    assert asked(used.play(SITE, "--check", *mine)) == [git]
    assert asked(used.play(SITE, *mine, expect=2)) == [git]
    edit_host(used, accept=[git])
    edit(used, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(purge=True))
    planted = "setuid /usr/bin/find"
    assert asked(used.play(SITE, "--check", *mine)) == [planted]
    edit_host(used, accept=[git, planted])
    checked = used.play(SITE, "--check", *mine)
    assert "because this run" not in checked.text
    assert "would purge" not in checked.text
    assert "would disable and stop" not in checked.text
    assert used.play(SITE, *mine).changed
    assert used.ssh("walter", "sudo -n true", key="stranger") == 0
    assert used.sh(APP) == app
    with socket.create_connection((used.host.address, PORT), timeout=5) as door:
        assert door.recv(1), "what listened before is closed"
    _run, seen = verify(used, tmp_path / "report", *mine, expect=None)
    assert details(seen, HOST, "failed") == {}


@pytest.fixture
def tunnelled(lab: Lab, release: str, tmp_path: Path) -> Iterator[Target]:
    """A bare host that ends a tunnel, with a peer of it and a private host behind it, each in a namespace."""
    host = lab.start(HOST, release, options=("--device", "/dev/net/tun:/dev/net/tun"))
    install(host, "wireguard-tools", "wireguard-go")
    attach(host, "wan0", "away", ["192.0.2.1/24"], ["192.0.2.2/24"])
    attach(host, "lan0", "inside", ["10.77.0.1/24"], ["10.77.0.2/24"])
    host.exec(["sh", "-c", TUNNEL + MEET])
    for namespace in ("", "inside"):
        serve(host, PORT, namespace=namespace)
    yield Target(host, inventory.write(tmp_path / "inventory", [host]))
    host.stop()


@pytest.mark.both
def test_a_tunnel_is_kept(tunnelled: Target, tmp_path: Path) -> None:
    """A host that ends a WireGuard tunnel: a first run asks, and with the draft the tunnel carries what it did."""

    def carries() -> bool:
        found = ask(tunnelled.host, ["10.66.0.1", "10.77.0.2"], PORT, namespace="away")
        return found == ["10.66.0.2"] * 2

    assert eventually(carries)
    witness = Witness(tunnelled)
    assert asked(tunnelled.play(SITE, expect=2)) == ["forwarding", "port 51820/udp", f"port {PORT}/tcp"]
    done = draw_up(tunnelled, tmp_path, "root", "oper", "-e", "verifier=margaret")
    assert done.returncode == 0, done.stdout
    witness.assert_untouched()
    mine = declare_draft(tunnelled, tmp_path)
    place = tunnelled.inventory.path
    assert yaml.safe_load((place / f"host_vars/{HOST}.yml").read_text())["host"]["forwards"] == "wireguard"
    base = yaml.safe_load((place / "group_vars/all/policy.yml").read_text())["policy"]["base"]
    assert "wg-quick@wg0.service" not in base["units"], "what is declared allows it"
    assert asked(tunnelled.play(SITE, "--check", *mine)) == []
    assert tunnelled.play(SITE, *mine).changed
    assert carries(), "what came through the tunnel before"
    tunnelled.sh(f"systemctl restart wg-quick@wg0\n{MEET}")
    assert eventually(carries), "through one that is set up anew"
    assert tunnelled.play(SITE, *mine).changed == 0


def test_import_by_an_admin_whose_sudo_asks(bare: Target, tmp_path: Path) -> None:
    """Root's key for one command makes nobody an admin; without root's rights nothing is drafted; -b and -K see all.

    Nor is anything drafted from a host with a word that would run on the controller.
    """
    bare.host.exec(["sh", "-ec", WALTER], stdin=bare.inventory.keys["stranger"].with_suffix(".pub").read_bytes())
    bare.sh(f"echo 'walter:{PASSWORD}' | chpasswd; echo 'walter ALL=(ALL) ALL' > /etc/sudoers.d/walter")
    backup = bare.inventory.keys["alice"].with_suffix(".pub").read_text(encoding="utf-8")
    bare.host.exec(["tee", "-a", "/root/.ssh/authorized_keys"], stdin=f'command="/bin/true" {backup}'.encode())
    by = ("-e", "verifier=margaret")
    for unseen in ((), ("-b",)):
        refused = draw_up(bare, tmp_path, "walter", "stranger", *by, *unseen)
        assert refused.returncode == 2, refused.stdout
        assert not (tmp_path / "draft").exists()
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    asked = ("-b", "--become-password-file", str(tmp_path / "password"))
    card = "x{{1+1}}"
    bare.sh(f"ip link add '{card}' type veth peer name lan1 && ip address add 10.99.0.9/24 dev '{card}'")
    refused = draw_up(bare, tmp_path, "walter", "stranger", *by, *asked)
    assert refused.returncode == 2, refused.stdout
    assert f"what {bare.host.address} tells of itself is no survey: networks[" in " ".join(refused.stdout.split())
    assert not (tmp_path / "draft").exists()
    bare.sh(f"ip link delete '{card}'")
    done = draw_up(bare, tmp_path, "walter", "stranger", *by, *asked)
    assert done.returncode == 0, done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert f"root's ssh-ed25519 key {fingerprint(bare, 'alice')} " in done.stdout
    assert 'options in front of it, command="/bin/true"' in done.stdout
    people = (tmp_path / "draft/group_vars/all/people.yml").read_text(encoding="utf-8")
    assert [person["name"] for person in yaml.safe_load(people)["people"]] == ["oper", "walter"]
    assert backup.split()[1] not in people
