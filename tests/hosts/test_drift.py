"""What somebody changed by hand on the host is put back by the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import reports
from .condition import SCRIPT
from .starts import edit, own

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

LIVE = "nft --stateless --terse list table inet holdfast"


def test_live_rules(target: Target) -> None:
    """Rules that were opened or flushed past the files come back, and the run says so."""
    assert target.play("playbooks/site.yml").changed == 0, "a boot alone is no change"
    declared = target.sh(LIVE)
    for damage in ("nft insert rule inet holdfast input tcp dport 4444 accept", "nft flush ruleset"):
        target.sh(damage)
        run = target.play("playbooks/site.yml")
        assert run.changed == 1, run.text[-3000:]
        assert target.sh(LIVE) == declared
        assert target.play("playbooks/site.yml").changed == 0


def test_files_and_accounts(target: Target, tmp_path: Path) -> None:
    """A key, a right and a rule that were added by hand are gone after the next run, whosever they are."""
    target = own(target, tmp_path)
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"].update(access={"keep_accounts": ["app"]}))
    target.sh(
        "cp /etc/ssh/authorized_keys.d/oper /etc/ssh/authorized_keys.d/mallory; useradd -m -s /bin/bash mallory;"
        "usermod -aG holdfast-ssh,holdfast-admin mallory; gpasswd -a bob holdfast-admin; passwd -d root;"
        "useradd -m app; usermod -aG holdfast-ssh,holdfast-admin,holdfast-nopasswd app;"
        "usermod -aG holdfast-nopasswd www-data"
    )
    run = target.play("playbooks/site.yml", "--diff")
    assert target.ssh("mallory", "true", key="oper", seconds=3) != 0
    assert "mallory" not in target.sh("ls /etc/ssh/authorized_keys.d")
    assert "holdfast-admin" not in target.sh("id bob")
    assert "take www-data out of holdfast-nopasswd" in run.text
    assert "holdfast" not in target.sh("id www-data; id app")
    assert target.sh("getent shadow root").split(":")[1].startswith(("*", "!"))
    assert "remove mallory's key" in run.text
    assert target.play("playbooks/site.yml").changed == 0


def test_groups_that_list_no_member(target: Target, tmp_path: Path) -> None:
    """Who is in a group by the primary number, administers one or has its password: verify sees it, a run ends it."""
    target = own(target, tmp_path)
    target.sh(
        "usermod -g sudo bob; usermod -g holdfast-nopasswd www-data; gpasswd -A bob holdfast-admin;"
        "sed -i 's/^holdfast-ssh:[^:]*/holdfast-ssh:$y$j9T$a$b/' /etc/gshadow"
    )
    promises = {"powerful_groups", "passwords"}

    def red() -> set[str]:
        _, data = reports.verify(target, tmp_path / "report", expect=None)
        return promises & {one["promise"] for one in data["hosts"][0]["promises"] if one["outcome"] == "failed"}

    assert red() == promises
    run = target.play("playbooks/site.yml")
    assert "give bob the primary group bob instead of sudo" in run.text
    assert "let nobody join holdfast-ssh by a password or administer it" in run.text
    assert target.sh("id -gn bob; id -gn www-data").split() == ["bob", "www-data"]
    assert target.sh("grep holdfast-admin /etc/gshadow").split(":")[1:3] == ["!", ""]
    assert red() == set()
    assert target.play("playbooks/site.yml").changed == 0


def test_empty_passwords_and_a_log_that_is_off(target: Target, tmp_path: Path) -> None:
    """Whose password is empty, in either file, and whose commands are not logged: verify names them; a run locks."""
    target = own(target, tmp_path)
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"].update(access={"keep_accounts": ["app"]}))
    target.sh(
        "useradd -m app; for one in app games bob; do passwd -d $one; done; sed -i 's/^oper:x:/oper::/' /etc/passwd;"
        "printf 'Defaults:oper !logfile\nDefaults !syslog\n' > /etc/sudoers.d/zz-quiet;"
        "chmod 0440 /etc/sudoers.d/zz-quiet"
    )
    promises = ("passwords", "sudo_rights")

    def red() -> list[str]:
        _, data = reports.verify(target, tmp_path / "report", expect=None)
        failed = reports.details(data, target.host.name, "failed")
        return [detail for promise in promises for detail in failed.get(promise, [])]

    passwords, log = red()
    assert all(f"{name} has an empty password" in passwords for name in ("app", "games", "bob", "oper")), passwords
    assert "commands are not in the journal" in log, log
    assert "those of a rule for oper are not in /var/log/sudo.log" in log, log
    assert "lock games's password, which is empty" in target.play("playbooks/site.yml", "--check").text
    target.play("playbooks/site.yml")
    fields = "for one in app games bob oper; do getent passwd $one; getent shadow $one; done | cut -d: -f2"
    assert target.sh(fields).split() == ["x", "*"] * 4
    target.sh("rm /etc/sudoers.d/zz-quiet")
    assert red() == []
    assert target.play("playbooks/site.yml").changed == 0


def test_ssh_settings_of_others(target: Target) -> None:
    """A line that widens access and is not ours is named with its file, and refused."""
    target.sh("printf 'Match User mallory\\n    PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/60-other.conf")
    before = target.sh(SCRIPT)
    run = target.play("playbooks/site.yml", expect=2)
    assert "/etc/ssh/sshd_config.d/60-other.conf:2: 'PasswordAuthentication yes'" in run.text, run.text[-3000:]
    assert target.sh(SCRIPT) == before
    target.sh(
        "rm /etc/ssh/sshd_config.d/60-other.conf;"
        "cd /etc/systemd/system;"
        "sed 's/sshd -D/& -o PasswordAuthentication=yes/' /lib/systemd/system/ssh.service > ssh.service"
    )
    run = target.play("playbooks/site.yml", expect=2)
    assert "/etc/systemd/system/ssh.service:" in run.text, run.text[-3000:]
    target.sh("rm /etc/systemd/system/ssh.service")
    assert target.play("playbooks/site.yml").changed == 0
