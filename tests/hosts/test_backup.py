"""Backups of a real host: they come back, see what is declared alone, and never fail without a word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import ROOT
from .searching import KEPT, Sampler, search
from .starts import SITE, edit, own
from .test_secrets import run_as_root_on

if TYPE_CHECKING:
    from pathlib import Path

    from lab.hosts import Lab

    from .conftest import Run, Target

pytestmark = pytest.mark.slow

BACKUP, RESTORE = "playbooks/backup.yml", "playbooks/restore.yml"
# A name that is a pattern, owners and modes of every kind, a link, a file that only root may read, and names that end a
# line for some, steer a terminal, or are not UTF-8.
ODD = "/etc/ssh/odd [1]*"
PLANT = f"""
mkdir -p '{ODD}/deep'; cd '{ODD}'
echo own > own; chown games:mail own; chmod 4750 own; ln -s own link; head -c 300000 /dev/urandom > deep/big
chmod 0600 deep/big; mkdir -m 1777 empty; mkdir '/etc/ssh/odd 1'; echo no > '/etc/ssh/odd 1/other'
for name in 'next\\302\\205' 'line\\342\\200\\250' 'back\\r' 'line\\n' 'red\\033[31m' 'bytes\\377' 'bytes\\376'; do
    echo name > "$(printf "${{name}}_")"
done
"""
LISTED = (
    "cd '{}' && {{ find . -printf '%p %y %m %u %g %T@ %l\\n' | sort; find . -type f -exec sha256sum {{}} + | sort; }}"
    " | LC_ALL=C cat -v"
)
REPOSITORY = "/var/backups/holdfast/web1"
LOCKS = f"ls -A {REPOSITORY}/locks"
# older NAME DAYS HOUR: a snapshot of that time, which holds its name.
OLDER = f"""
export RESTIC_PASSWORD_FILE=/etc/holdfast/secrets/holdfast-backup/password
older() {{
    echo "$1" > /etc/ssh/mark
    restic -r {REPOSITORY} --no-cache backup --json --host web1 --tag holdfast \\
        --time "$(date -d "$2 days ago" +%F) $3:00:00" /etc/ssh | tail -n 1
}}
"""
# For the server: what the host's key may do there.
SFTP_ALONE = 'restrict,command="internal-sftp" ssh-ed25519'
UNIT = "/etc/systemd/system/holdfast-backup.service"
# The same unit with another program.
PROBE = f"""
sed 's|^ExecStart=.*|ExecStart=/bin/sh /etc/holdfast/backup/probe|' {UNIT} > /run/systemd/system/holdfast-probe.service
printf '\\n%s\\n' "$MORE" >> /run/systemd/system/holdfast-probe.service
systemctl daemon-reload; systemctl start holdfast-probe.service; cat /var/lib/holdfast/backup/probe
"""
# A unit with a sandbox starts during a backup and outlasts it: how many of its mounts it sees, then and afterwards.
BYSTANDER = """
/usr/local/lib/holdfast/backup hold
systemd-run --quiet --unit=bystander --property=PrivateTmp=yes sleep 600
seen="/proc/$(systemctl show --value --property=MainPID bystander)/mountinfo"
grep -c ' /run/holdfast/backup' "$seen"
umount --lazy /run/holdfast/backup
grep -c ' /run/holdfast/backup' "$seen"
grep -c ' /run/holdfast/backup' /proc/1/mountinfo
systemctl stop bystander
"""
SEEN = """
out() { printf '%s: ' "$1"; shift; if "$@" > /dev/null 2>&1; then echo yes; else echo no; fi; }
{
    out 'reads a host key' cat /etc/ssh/ssh_host_ed25519_key
    out 'reads /root' cat /root/undeclared
    out 'reads the shadow file' cat /etc/shadow
    out 'reads its own password file' cat /etc/holdfast/secrets/holdfast-backup/password
    out 'reads its credential' cat "$CREDENTIALS_DIRECTORY/password"
    out 'writes to a source' touch /etc/ssh/new
    out 'follows a link in a source' cat /etc/ssh/way
    out 'writes to the root' touch /new
    out 'writes to the repository' touch /var/backups/holdfast/web1/probe
    echo "root: $(ls -A / | tr '\\n' ' ')"
    echo "etc: $(ls -A /etc | tr '\\n' ' ')"
} > /var/lib/holdfast/backup/probe
"""


def restore(target: Target, path: str, to: str, *arguments: str, expect: int = 0) -> Run:
    """Bring a path back with the playbook."""
    given = json.dumps({"path": path, "to": to})
    return target.play(RESTORE, "--limit", target.host.name, "-e", given, *arguments, expect=expect)


def start(target: Target) -> dict[str, str]:
    """Back up by the unit; return how that ended, and in `said` what it said."""
    target.sh("journalctl --rotate; journalctl --vacuum-time=1s")
    target.sh("systemctl start holdfast-backup.service", check=False)
    shown = target.sh("systemctl show -p ActiveState,Result,ExecMainStatus holdfast-backup.service")
    said = target.sh("journalctl --sync; journalctl -o cat --no-pager _SYSTEMD_UNIT=holdfast-backup.service")
    return {**dict(line.split("=", 1) for line in shown.splitlines()), "said": said}


def snapshots(target: Target) -> int:
    """How many snapshots the local repository holds."""
    return int(target.sh(f"ls {REPOSITORY}/snapshots | wc -l"))


def older(target: Target, *wanted: tuple[str, int, int]) -> dict[str, str]:
    """Make snapshots that are so many days old, at that hour; return the short ID of each by its name."""
    script = "\n".join(f'older "{name}" {days} {hour:02}' for name, days, hour in wanted)
    made = target.sh(f"{OLDER}{script}").splitlines()
    target.sh(f"chown -R --reference {REPOSITORY} {REPOSITORY}; echo now > /etc/ssh/mark")
    return {name: json.loads(line)["snapshot_id"][:8] for (name, _, _), line in zip(wanted, made, strict=True)}


def listed(target: Target) -> set[str]:
    """Short IDs of the snapshots that the local repository holds."""
    return {name[:8] for name in target.sh(f"ls {REPOSITORY}/snapshots").split()}


@pytest.mark.both
def test_it_comes_back(target: Target) -> None:
    """Bytes, owners, modes, times and links; check mode tells and makes nothing; the password is nowhere to be seen."""
    target.sh(PLANT)
    sampler = Sampler([*target.container.engine.command, "exec", target.container.container])
    try:
        outputs = there_and_back(target)
    finally:
        seen = sampler.stop()
    secrets = {"backup_password": target.inventory.secrets["backup_password"]}
    assert search("there", seen + run_as_root_on(target, KEPT) + outputs.encode(), secrets) == []
    assert secrets["backup_password"] in target.sh("cat /etc/holdfast/secrets/holdfast-backup/password")


def there_and_back(target: Target) -> str:
    """Back up and restore; return all that the playbooks said."""
    assert "would back up now" in target.play(BACKUP, "--check").text
    assert snapshots(target) == 0
    done = target.play(BACKUP, "-vvv", "--diff")
    assert "snapshot " in done.text
    assert snapshots(target) == 1
    last = json.loads(target.sh("cat /var/lib/holdfast/backup/last.json"))
    assert last["sources"] == ["/etc/ssh"]
    assert last["bytes"] > 300000

    told = restore(target, ODD, "/var/restore/one", "--check")
    assert f"{ODD}/deep/big" in told.text
    assert "odd 1/other" not in told.text
    assert target.sh("ls -d /var/restore 2>/dev/null || true") == ""
    back = restore(target, ODD, "/var/restore/one", "-vvv")
    assert target.sh(LISTED.format(ODD)) == target.sh(LISTED.format(f"/var/restore/one{ODD}"))
    assert "2 of them cannot be compared by name" in back.text
    assert target.sh("stat -c %a /var/restore/one").strip() == "700"
    assert target.sh("ls /var/restore/one/etc/ssh").strip() == "odd [1]*"
    program = "/usr/local/lib/holdfast/backup restore"
    listed = target.sh(f"{program} --list --path '{ODD}' --to /var/restore/two")
    assert "red\\x1b[31m_" in listed
    assert not {"\x1b", "\x85", "\r"} & set(listed)
    one = target.sh(f"{program} --path '{ODD}/own' --to /var/restore/two")
    assert "restored 1 entry, " in one
    assert target.sh("find /var/restore/two -type f -printf '%f %m %u\\n'").strip() == "own 4750 games"
    assert "not an empty directory" in restore(target, ODD, "/var/restore/one", expect=2).text
    refused = target.sh(f"! {program} --path /etc/nowhere --to /var/restore/three 2>&1; ls /var/restore")
    assert "has no /etc/nowhere; it has /etc/ssh" in refused
    assert "three" not in refused.split()
    return done.text + back.text


def test_it_sees_what_is_declared_alone(target: Target) -> None:
    """A shell with the unit's very properties reads no root file that is not declared; declared, it would."""
    target.host.exec(["install", "-m", "0644", "/dev/stdin", "/etc/holdfast/backup/probe"], stdin=SEEN.encode())
    # It leads to what every program in the sandbox sees.
    target.sh("echo private > /root/undeclared; chmod 600 /root/undeclared; ln -s /etc/passwd /etc/ssh/way")
    seen = target.sh(f"export MORE=''\n{PROBE}")
    found = dict(line.split(": ", 1) for line in seen.splitlines())
    assert not {"root", "home", "srv", "opt", "boot"} & set(found["root"].split()), found["root"]
    assert {name: answer for name, answer in found.items() if answer in ("yes", "no")} == {
        "reads a host key": "yes",
        "reads /root": "no",
        "reads the shadow file": "no",
        "reads its own password file": "no",
        "reads its credential": "yes",
        "writes to a source": "no",
        "follows a link in a source": "no",
        "writes to the root": "no",
        "writes to the repository": "yes",
    }
    assert "ssh" in found["etc"].split()
    assert "shadow" not in found["etc"].split()
    more = target.sh(f"export MORE='[Service]\nBindReadOnlyPaths=/root'\n{PROBE}")
    assert "reads /root: yes" in more
    mounts = "findmnt -rn -o TARGET | grep -c ^/run/holdfast/backup || true"
    assert target.sh(f"timeout 10 sh -c 'until [ $({mounts}) = 0 ]; do sleep 0.2; done'; {mounts}").strip() == "0"


@pytest.mark.both
def test_a_service_leads_root_nowhere(target: Target, tmp_path: Path) -> None:
    """A link in the place of what is backed up fails the backup; root writes into no folder of a service's."""
    target = own(target, tmp_path)

    def declare(data: Any) -> None:
        notes = next(one for one in data["services"] if one["name"] == "notes")
        notes["backup"] = {"paths": ["uploads", "data/deep"]}

    edit(target, "group_vars/all/services.yml", declare)
    assert target.play(SITE).changed
    # A mount below what is backed up: its end in one place is not its end in the other.
    plant = "mkdir -p uploads/disk data/deep; echo mine > uploads/file; echo mine > data/deep/file"
    target.sh(f"cd /srv/notes/shared; runuser -u notes -- sh -ec '{plant}'; mount --make-rshared /")
    target.sh("cd /srv/notes/shared/uploads/disk; mount -t tmpfs none $PWD; echo disk > $PWD/on")
    fine = start(target)
    assert (fine["ActiveState"], fine["ExecMainStatus"]) == ("inactive", "0"), fine["said"]
    program = "/usr/local/lib/holdfast/backup restore"
    whole = f"{program} --path /srv/notes/shared/uploads --to /var/restore/notes"
    assert "restored 4 entries" in target.sh(whole)
    assert target.sh("cat /srv/notes/shared/uploads/disk/on /var/restore/notes/srv/notes/shared/uploads/disk/on") == (
        "disk\ndisk\n"
    )
    during, *afterwards = target.sh(BYSTANDER).split()
    assert int(during) > 1
    assert afterwards == ["0", "0"], "mounts of a backup stay in the namespace of another unit"

    for before, link, after in (
        ("umount uploads/disk; mv uploads aside", "ln -s /etc uploads", "rm uploads; mv aside uploads"),
        ("mv data aside; mkdir -p /srv/notes/shared/other/deep", "ln -s other data", "rm data; mv aside data"),
    ):
        laid = link.split()[-1]
        target.sh(f"cd /srv/notes/shared; {before}; runuser -u notes -- {link}")
        failed = start(target)
        assert (failed["ActiveState"], failed["ExecMainStatus"]) == ("failed", "1"), failed["said"]
        assert f"is not backed up: /srv/notes/shared/{laid} is a link. Put the folder itself there" in failed["said"]
        assert snapshots(target) == 1
        target.sh(f"cd /srv/notes/shared; {after}")
    assert "shadow" not in target.sh(f"{program} --list --path /srv --to /var/restore/all")

    refused = "so nothing is restored into"
    target.sh("runuser -u notes -- mkdir /tmp/mine /srv/notes/shared/mine")
    for to in ("/tmp/mine", "/srv/notes/shared/mine", "/srv/notes/shared/new", "/tmp"):
        said = target.sh(f"{program} --path /srv/notes/shared/data --to {to} 2>&1", check=False)
        assert refused in said, said
    assert target.sh("ls -A /tmp/mine /srv/notes/shared/mine | grep -v :$ || true").split() == []
    assert "restored 3 entries" in target.sh(f"{program} --path /srv/notes/shared/data --to /tmp/new")
    assert target.sh("stat -c '%U %a' /tmp/new").strip() == "root 700"
    put_back(target)


def put_back(target: Target) -> None:
    """Follow the documentation: what is put back in the service's name goes through no link to what is not its own."""
    shared = "/srv/notes/shared"
    target.sh(f"mkdir -m 755 /var/prey; cd {shared}; rm -r uploads; runuser -u notes -- ln -s /var/prey uploads")
    page = (ROOT / "docs/how-to/backup.md").read_text(encoding="utf-8")
    block = page[page.index("runuser -u blog -- mv") :].partition("```")[0]
    commands = block.replace("blog", "notes").replace("/var/restore/uploads", "/var/restore/notes")
    assert "tar" in commands
    target.sh(f"set -e\ncd {shared}\n{commands}")
    assert target.sh("ls -A /var/prey") == ""
    assert target.sh(f"readlink {shared}/uploads.old; cat {shared}/uploads/file") == "/var/prey\nmine\n"
    assert target.sh(f"stat -c %U {shared}/uploads/disk/on").strip() == "notes"


def test_every_fault_is_a_failed_unit(target: Target, tmp_path: Path) -> None:
    """A missing source, an empty one, a file that cannot be read, another password, a repository that is gone."""
    target = own(target, tmp_path)
    paths = [{"path": path, "on": ["web"]} for path in ("/etc/ssh", "/srv/a", "/srv/b")]

    def declare(data: Any) -> None:
        data["policy"]["backup"]["paths"] = paths

    edit(target, "group_vars/all/policy.yml", declare)
    assert target.play(SITE).changed
    target.sh("mkdir -p /srv/b/c/d")
    failed = start(target)
    assert (failed["ActiveState"], failed["ExecMainStatus"]) == ("failed", "1")
    assert "/srv/a cannot be read: No such file or directory" in failed["said"]
    assert "/srv/b is empty" in failed["said"]
    assert snapshots(target) == 0
    told = target.play(BACKUP, expect=2)
    assert "/srv/b is empty" in told.text

    target.sh("echo x > /srv/a; echo x > /srv/b/c/d/e; echo x > /srv/b/f; chmod 000 /srv/b/f")
    drop_in = "/run/systemd/system/holdfast-backup.service.d/less.conf"
    target.sh(f"mkdir -p $(dirname {drop_in}); printf '[Service]\\nAmbientCapabilities=\\n' > {drop_in}")
    target.sh("chmod 755 /etc/ssh /srv/b; systemctl daemon-reload")
    failed = start(target)
    assert (failed["ActiveState"], failed["ExecMainStatus"]) == ("failed", "3"), failed["said"]
    assert "/srv/b/f: " in failed["said"]
    assert target.sh("ls /var/lib/holdfast/backup").split() == ["repository.json"]
    target.sh(f"rm {drop_in}; systemctl daemon-reload")
    fine = start(target)
    assert (fine["ActiveState"], fine["ExecMainStatus"]) == ("inactive", "0"), fine["said"]

    other = {"backup": {"password": "another-8Zq3-Lwv9-Tk2m"}}
    edit(target, "group_vars/all/vault.yml", lambda data: data["vault"].update(other))
    wrong = target.play(SITE, expect=2)
    assert "was made with another password than vault.backup.password" in wrong.text
    assert "everything was put back" in wrong.text
    assert start(target)["ActiveState"] == "inactive"

    target.sh(
        "mv /var/backups/holdfast/web1 /root/elsewhere; systemd-tmpfiles --create /etc/tmpfiles.d/holdfast-backup.conf"
    )
    failed = start(target)
    assert failed["ActiveState"] == "failed"
    assert "is gone; is its disk mounted?" in failed["said"]
    assert target.sh("ls -A /var/backups/holdfast/web1") == ""


def test_password_and_place_can_change(target: Target, tmp_path: Path) -> None:
    """A new password opens the repository beside the old one, and alone then; what is moved is found, or asked for."""
    target = own(target, tmp_path)
    program = "/usr/local/lib/holdfast/backup restic"
    # As under an older name of the host: of one day the last snapshot stays, whatever name it bears. Debian 13's restic
    # keeps the first of all as well, for want of older ones.
    made = f"{program} backup --json --host older --tag holdfast /etc/ssh | tail -n 1"
    _, second = (json.loads(target.sh(made))["snapshot_id"][:8] for _ in range(2))
    assert second in listed(target)
    assert start(target)["ActiveState"] == "inactive"
    assert second not in listed(target)

    password = "another-8Zq3-Lwv9-Tk2m"
    target.sh(f"echo {password} | {program} key add")
    edit(target, "group_vars/all/vault.yml", lambda data: data["vault"].update(backup={"password": password}))
    assert target.play(SITE).changed
    keys = [
        line for line in target.sh(f"{program} key list").splitlines() if "root" in line or "holdfast-backup" in line
    ]
    (old,) = (line.split()[0] for line in keys if not line.startswith("*"))
    target.sh(f"{program} key remove {old}")
    assert 'The "find" command' in target.sh(
        f"{program} find --help; {program} find -- init; {program} snapshots --tag init"
    )
    assert len(target.sh(f"ls {REPOSITORY}/keys").split()) == 1
    assert target.sh(f"find {REPOSITORY} ! -user holdfast-backup") == ""
    assert start(target)["ActiveState"] == "inactive"

    def declare(data: Any) -> None:
        data["policy"]["backup"]["repository"]["url"] = "/var/backups/moved"

    edit(target, "group_vars/all/policy.yml", declare)
    refused = target.play(SITE, expect=2)
    assert f"are in {REPOSITORY}, and /var/backups/moved/web1 is declared now" in " ".join(refused.text.split())
    assert "everything was put back" in refused.text
    assert start(target)["ActiveState"] == "inactive"
    target.sh(f"mv -T {REPOSITORY} /var/backups/moved/web1")
    assert target.play(SITE).changed
    restore(target, "/etc/ssh", "/var/restore/moved")
    assert start(target)["ActiveState"] == "inactive"
    assert not target.play(SITE).changed


def test_over_sftp(lab: Lab, target: Target, tmp_path: Path) -> None:
    """The host shows its key; once the server knows it, backups go there, and to no server with another key."""
    server = lab.start("depot1", target.host.release)
    try:
        target = own(target, tmp_path)
        server.exec(["useradd", "--create-home", "depot"])
        host_key = server.exec(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.strip()

        def declare(data: Any) -> None:
            url = f"sftp://depot@{server.address}/home/depot/hosts"
            data["policy"]["backup"]["repository"] = {"url": url, "host_key": host_key}

        edit(target, "group_vars/all/policy.yml", declare)
        # As a full disk leaves it.
        target.sh("install -m 600 /dev/null /etc/holdfast/secrets/holdfast-backup/id_ed25519")
        first = target.play(SITE)
        line = next(part for part in first.text.splitlines() if SFTP_ALONE in part)
        invited = line[line.index(SFTP_ALONE) :].strip(" '\",").removesuffix("\\n")
        failed = target.play(BACKUP, expect=2)
        assert "Permission denied" in failed.text, failed.text[-3000:]
        assert "does not know this host yet" in failed.text

        script = "cd /home/depot; install -d -m 700 -o depot .ssh; install -m 644 /dev/stdin .ssh/authorized_keys"
        server.exec(["sh", "-c", script], stdin=f"{invited}\n".encode())
        login = "-F /etc/holdfast/backup/ssh_config -i /etc/holdfast/secrets/holdfast-backup/id_ed25519 repository"
        refused = target.sh(f"! ssh {login} 'id; touch shell' 2>&1")
        assert "sftp connections only" in refused
        assert "uid=" not in refused
        assert "shell" not in server.exec(["ls", "/home/depot"]).stdout.split()

        elsewhere = " ".join(target.play(BACKUP, expect=2).text.split())
        assert (
            f"are in {REPOSITORY}, and sftp://depot@{server.address}:22//home/depot/hosts/web1 is declared" in elsewhere
        )
        target.sh("rm /var/lib/holdfast/backup/repository.json")
        keys = "/home/depot/hosts/web1/keys"
        server.exec(["sh", "-c", f"mkdir -p {keys}; touch {keys}/{'7d' * 32}; chown -R depot /home/depot/hosts"])
        assert "remove /home/depot/hosts/web1, and run again" in target.play(BACKUP, expect=2).text
        server.exec(["rm", "-r", "/home/depot/hosts"])
        assert "snapshot " in target.play(BACKUP).text
        assert server.exec(["ls", "/home/depot/hosts/web1"]).stdout.split()[0] == "config"
        restore(target, "/etc/ssh", "/var/restore/far")
        assert target.sh(LISTED.format("/etc/ssh")) == target.sh(LISTED.format("/var/restore/far/etc/ssh"))
        target.sh("systemctl start holdfast-backup-check.service")
        assert not target.play(SITE).changed

        target.sh("rm /etc/holdfast/secrets/holdfast-backup/id_ed25519")
        anew = next(part for part in target.play(SITE).text.splitlines() if SFTP_ALONE in part)
        invited_anew = anew[anew.index(SFTP_ALONE) :].strip(" '\",").removesuffix("\\n")
        assert invited_anew != invited
        server.exec(["sh", "-c", script], stdin=f"{invited_anew}\n".encode())
        assert "snapshot " in target.play(BACKUP).text
        assert not target.play(SITE).changed

        target.sh("sed -i 's/AAAAI./AAAAIX/' /etc/holdfast/backup/known_hosts")
        failed_now = start(target)
        assert failed_now["ActiveState"] == "failed"
        assert "shows another key than policy.backup.repository.host_key" in failed_now["said"]
    finally:
        server.stop()


def test_it_holds_a_lock(target: Target) -> None:
    """Who restarts things can wait for a backup, as a backup waits for them."""
    lock = "/run/holdfast/locks/backup"
    taken = f"for i in $(seq 100); do flock --nonblock {lock} true || exit 0; sleep 0.05; done; exit 1"
    target.sh(f"systemd-run --quiet --unit=holder flock {lock} sleep 6; {taken}")
    waited = start(target)
    assert "waiting for another backup, check or restore to end" in waited["said"]
    assert waited["ActiveState"] == "inactive"
    target.sh(f"systemctl --no-block start holdfast-backup-check.service; {taken}")


@pytest.mark.full
def test_a_killed_run_hinders_none(target: Target) -> None:
    """What was killed while it held the repository for itself alone, as a prune does, hinders neither of the verbs."""
    assert start(target)["ActiveState"] == "inactive"
    check = "holdfast-backup-check.service"
    target.sh(
        f"systemctl --no-block start {check}; timeout 30 sh -c 'until {LOCKS} | grep -q .; do :; done'"
        f" && systemctl kill -s KILL {check}"
    )
    target.sh(f"timeout 30 sh -c 'until systemctl is-failed -q {check}; do sleep 0.2; done'")
    left = target.sh(LOCKS)
    assert len(left.split()) == 1, "restic was not killed in time"

    restore(target, "/etc/ssh", "/var/restore/locked")
    target.sh("rm /var/lib/holdfast/backup/repository.json; systemctl start holdfast-backup-init.service")
    assert target.sh(LOCKS) == left, "what only reads took it away, or left another"
    assert "snapshot " in target.play(BACKUP).text
    assert target.sh(LOCKS) == ""


@pytest.mark.full
def test_old_snapshots_go_and_any_that_stays_comes_back(target: Target) -> None:
    """Of each day, week and month the last one stays as long as the policy says; restore takes whichever is named."""
    assert start(target)["ActiveState"] == "inactive"
    # With today's these are backups of 14 days in a row: one of each of the last 14 days stays in any case.
    row = [(f"of day {days}", days, 9) for days in range(1, 13)]
    ids = older(target, ("year", 400, 9), ("week", 40, 9), ("week's", 40, 21), ("day", 13, 9), ("day's", 13, 21), *row)
    before = snapshots(target)
    told = target.play(BACKUP)
    assert "snapshot " in told.text
    assert "nothing old was removed" not in told.text
    assert before == 18
    left = listed(target)
    assert {name for name, ident in ids.items() if ident in left} == {"week's", "day's", *(name for name, _, _ in row)}
    assert len(left) == 15, "of today the last one alone"

    kept = "week's"
    restore(target, "/etc/ssh/mark", "/var/restore/older", "-e", f"snapshot={ids[kept]}")
    assert target.sh("cat /var/restore/older/etc/ssh/mark").strip() == kept
    gone = restore(target, "/etc/ssh/mark", "/var/restore/gone", "-e", f"snapshot={ids['year']}", expect=2)
    assert f"has no snapshot {ids['year']} of this host" in gone.text


def test_a_wrong_clock_takes_no_history(target: Target) -> None:
    """After a long time without a backup, as a clock that stands ahead makes it seem, nothing is removed yet.

    What was made under such a clock is not what comes back as the latest.
    """
    ids = older(target, ("year", 401, 9), ("a day later", 400, 9), ("of the future", -30, 9))
    told = target.play(BACKUP)
    assert "nothing old was removed, since no backup was made between" in told.text
    assert set(ids.values()) <= listed(target)
    assert snapshots(target) == 4
    restore(target, "/etc/ssh/mark", "/var/restore/latest")
    assert target.sh("cat /var/restore/latest/etc/ssh/mark").strip() == "now"


def test_a_killed_init_is_gone_on_with(target: Target) -> None:
    """It leaves a key and no config: the key goes, and the repository is made. Data without a config is not touched."""
    forget = f"rm {REPOSITORY}/config /var/lib/holdfast/backup/repository.json"
    target.sh(forget)
    mended = start(target)
    assert mended["ActiveState"] == "inactive", mended["said"]
    assert f"removed what a killed run left in {REPOSITORY}/keys" in mended["said"]
    assert snapshots(target) == 1
    files = f"find {REPOSITORY} -type f | sort"
    target.sh(forget)
    before = target.sh(files)
    assert f"{REPOSITORY}/keys/" in before
    lost = start(target)
    assert (lost["ActiveState"], lost["ExecMainStatus"]) == ("failed", "1")
    assert "its config is lost" in lost["said"]
    assert target.sh(files) == before


def test_what_is_not_declared_any_more_ends(target: Target, tmp_path: Path) -> None:
    """Timers, units and the password go, the repository stays. Then a run makes no call for it, as where none was."""
    target = own(target, tmp_path)
    calls = tmp_path / "calls.json"
    target.environment |= {"ANSIBLE_CALLBACKS_ENABLED": "remote_calls", "HOLDFAST_CALLS_FILE": str(calls)}
    assert start(target)["ActiveState"] == "inactive"
    edit(target, "group_vars/all/vault.yml", lambda data: data["vault"].pop("backup"))
    assert "or remove policy.backup.repository" in " ".join(target.play(SITE, expect=2).text.split())
    edit(target, "group_vars/all/policy.yml", lambda data: data["policy"]["backup"].pop("repository"))
    # What an admin has stopped already is no reason to fail.
    target.sh("systemctl disable --now holdfast-backup-check.timer")
    ended = target.play(SITE)
    assert ended.changed
    assert "is backed up" in " ".join(ended.text.split()), "the preflight says so"
    assert target.sh("find /etc /usr/local -path '*holdfast*backup*' ! -type d") == ""
    assert target.sh("systemctl list-units --no-legend --plain --state=active,failed 'holdfast-backup*'") == ""
    assert snapshots(target) == 1
    assert not target.play(SITE).changed
    assert json.loads(calls.read_text(encoding="utf-8"))["most"] == 5

    target.sh("rm /var/lib/holdfast/sets/backup.json")
    assert not target.play(SITE).changed
    assert not target.play(SITE).changed
    assert json.loads(calls.read_text(encoding="utf-8"))["most"] == 5


def test_the_check_finds_damage(target: Target) -> None:
    """One byte of a file's content fails the weekly check, when its turn has come."""
    target.sh("systemctl start holdfast-backup.service && systemctl start holdfast-backup-check.service")
    # The largest pack holds content and no folders, and is read in one week of twelve: here in each.
    target.sh(
        "pack=$(ls -S /var/backups/holdfast/web1/data/*/* | head -n 1);"
        " printf X | dd of=$pack bs=1 seek=40 conv=notrunc status=none;"
        " sed -i 's/^PARTS = 12 /PARTS = 1 /' /usr/local/lib/holdfast/backup-program/repository.py"
    )
    target.sh("systemctl start holdfast-backup-check.service", check=False)
    assert target.sh("systemctl is-failed holdfast-backup-check.service || true").strip() == "failed"
