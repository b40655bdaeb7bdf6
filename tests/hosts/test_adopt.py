"""A host that already runs: nothing is taken away unasked, an audit only looks, an import describes what is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from .conftest import HOST, ROOT
from .reports import checks
from .starts import PACKAGE, SITE, Witness, edit, edit_host
from .traffic import serve

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

pytestmark = pytest.mark.slow

PORT = 9100
PURGE = {"purge": True, "packages": ["zabbix-agent"]}
AUDIT = "playbooks/audit.yml"
# An admin of old, with a key of nobody whom the inventory knows.
WALTER = """
useradd --create-home --shell /bin/bash walter
install -d -m 0700 -o walter -g walter /home/walter/.ssh
cat > /home/walter/.ssh/authorized_keys
chown walter: /home/walter/.ssh/authorized_keys
echo 'walter ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/walter
chmod 0440 /etc/sudoers.d/walter
"""


@pytest.fixture
def used(bare: Target) -> Target:
    """A host that somebody has used: an account with a key and sudo, a program that others reach, two packages."""
    key = bare.inventory.keys["stranger"].with_suffix(".pub").read_bytes()
    bare.host.exec(["sh", "-ec", WALTER], stdin=key)
    bare.sh(PACKAGE.format("telnetd", "") + PACKAGE.format("zabbix-agent", ""))
    serve(bare.host, PORT)
    return bare


def fingerprint(target: Target, person: str) -> str:
    """Return the fingerprint of a person's key as ssh-keygen shows it."""
    command = ["ssh-keygen", "-l", "-f", str(target.inventory.keys[person].with_suffix(".pub"))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


def test_nothing_is_taken_away_unasked(used: Target) -> None:
    """The first run refuses, says what to write, and goes on once that is written. An audit before it only looks."""
    accept = ["account walter", f"key {fingerprint(used, 'stranger')}", "package telnetd", f"port {PORT}/tcp"]
    edit(used, "group_vars/all/policy.yml", lambda data: data["policy"]["base"].update(PURGE))
    witness = Witness(used)
    assert "only looks" in used.play(AUDIT, expect=2).text
    looked = used.play(AUDIT, "--check")
    assert f"would close {PORT}/tcp, on which python3 as root listens" in looked.text
    assert "would purge telnetd" in looked.text
    assert "promises" in looked.text
    refused = used.play(SITE, expect=2)
    witness.assert_untouched()
    for text in (looked.text, refused.text):
        for entry in accept:
            assert f"- {entry}" in text
        assert "package zabbix-agent" not in text

    edit_host(used, accept=accept[:-1])
    refused = used.play(SITE, expect=2)
    assert f"- {accept[-1]}" in refused.text
    assert f"- {accept[0]}" not in refused.text
    edit_host(used, accept=accept)
    assert used.play(SITE).changed
    assert used.ssh("walter", "true", key="stranger") != 0
    assert used.sh("dpkg-query -W -f '${Package} ' telnetd zabbix-agent 2>/dev/null || true").split() == [
        "zabbix-agent"
    ]
    assert used.play(SITE).changed == 0


def test_an_audit_scores_whom_a_run_would_refuse(target: Target, tmp_path: Path) -> None:
    """It tells of the promises of such a host, and then why a run would leave it."""
    target.sh("printf 'Match User mallory\\n    PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/60-other.conf")
    audit = target.play(AUDIT, "--check", "-e", f"verify_report={tmp_path}", expect=2)
    assert "/etc/ssh/sshd_config.d/60-other.conf:2: 'PasswordAuthentication yes'" in audit.text
    outcomes = [outcome for _, outcome, _ in checks(json.loads((tmp_path / "results.json").read_text()), HOST)]
    assert outcomes.count("passed") > 50


def test_import_describes_what_is_there(used: Target, tmp_path: Path) -> None:
    """The draft passes preflight, and a run with it takes nothing away: old admins and ports stay."""
    draft = tmp_path / "draft"
    command = [
        str(ROOT / ".venv/bin/ansible-playbook"), "playbooks/import.yml", "-i", f"{used.host.address},", "-u", "root",
        "--private-key", str(used.inventory.keys["oper"]), "-e", f"to={draft}",
    ]  # fmt: skip
    known = f"-o UserKnownHostsFile={tmp_path}/known_hosts -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
    environment = {**os.environ, "ANSIBLE_SSH_ARGS": known}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    unsaid = run()
    assert unsaid.returncode == 2
    assert "-e verifier=NAME" in unsaid.stdout
    witness = Witness(used)
    done = run("-e", "verifier=margaret")
    assert done.returncode == 0, done.stdout
    witness.assert_untouched()
    again = run("-e", "verifier=margaret")
    assert again.returncode == 2
    assert "exists" in again.stdout

    people = yaml.safe_load((draft / "group_vars/all/people.yml").read_text())["people"]
    assert {person["name"]: next(iter(person["rights"][0])) for person in people} == {
        "oper": "admin",
        "walter": "admin",
    }
    used.inventory.path.rename(tmp_path / "old")
    draft.rename(used.inventory.path)
    (tmp_path / "old/keys").rename(used.inventory.path / "keys")
    key = f"ansible_ssh_private_key_file={used.inventory.keys['oper']}"
    checked = used.play(SITE, "--check", "-e", key)
    assert "because this run" not in checked.text
    assert used.play(SITE, "-e", key).changed
    assert used.ssh("walter", "sudo -n true", key="stranger") == 0
    with socket.create_connection((used.host.address, PORT), timeout=5) as door:
        assert door.recv(1), "what listened before is closed"
