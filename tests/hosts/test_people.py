"""Somebody who is logged in leaves: removed from the people, or on the day after the last one."""

from __future__ import annotations

import datetime
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .starts import SITE, edit, edit_person, own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Target

CRONTAB = "/var/spool/cron/crontabs/bob"
JOB = f"mkdir -p {CRONTAB.rpartition('/')[0]}; echo '* * * * * true' > {CRONTAB}"
BEHIND = f"su bob -c 'echo mine > ~/notes'\n{JOB}"
# As if the account had been there before the first run.
NOT_CREATED_HERE = """sed -i 's/"bob"/"somebody-else"/' /var/lib/holdfast/access/created.json"""
# A folder of the container's image cannot be renamed on its overlay, one that was made since can.
OWN_HOME = "cp -a /home/bob /home/anew; rm -r /home/bob; mv /home/anew /home/bob"


@contextmanager
def session(target: Target, user: str) -> Iterator[subprocess.Popen[bytes]]:
    """A session over SSH in which something runs; it would last longer than any run."""
    process = subprocess.Popen(
        target.ssh_argv(user, "sleep 900"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 15 * target.patience
        while not target.sh(f"pgrep -u {user} -x sleep", check=False):
            assert time.monotonic() < end, f"{user} has no session"
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


# As Docker does it by default: the number in a container is the host's, and so it looks like bob's process.
CONTAINER = (
    "systemd-run --quiet --unit=docker-f00 unshare --pid --fork"
    " setpriv --reuid=bob --regid=bob --clear-groups sleep 777"
)


# Processes that do not want to be seen: the name looks like the end of a line and a line of /proc/PID/status, or is no
# text; the first thread has ended, and another runs on.
NAMES = (r"x\rState:\tZ", r"x\rUid:\t9 9", r"x\nState:\tZ", r"\xff")
RENAMED = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'{}', 0, 0, 0); time.sleep(888)"
HEADLESS = (
    "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(888,)).start();"
    " ctypes.CDLL(None).pthread_exit(None)"
)
HIDDEN = "\n".join(
    f'systemd-run --quiet --uid=bob python3 -c "{code}"'
    for code in (*(RENAMED.format(name) for name in NAMES), HEADLESS)
)
# What systemd starts at each boot, and what another number runs within the sessions.
LINGERING = "loginctl enable-linger bob; until systemctl is-active user@$(id -u bob); do sleep 0.1; done"
IN_A_SESSION = "systemd-run --quiet --slice=user-$(id -u bob).slice --uid=nobody sleep 888"
LINGERS = "/var/lib/systemd/linger/bob"
# systemd-logind keeps a user for ten seconds after the last session. Debian 12's spins for ever, and no login ends,
# where such a one begins to linger by hand while something else runs in the slice: the user is to be forgotten first.
FORGOTTEN = "while loginctl show-user bob >/dev/null 2>&1; do sleep 0.2; done"
AT_JOB = "/var/spool/cron/atjobs/a0000101"
LEAVES = f"""mkdir -p {AT_JOB.rpartition("/")[0]}; touch {AT_JOB}; cp /bin/sh /var/tmp/shell
chown bob: {AT_JOB} /var/tmp/shell; chmod 4755 /var/tmp/shell"""


def without_bob(data: Any) -> None:
    """Bob is no longer among the people."""
    data["people"] = [person for person in data["people"] if person["name"] != "bob"]


def test_removed_person(target: Target, tmp_path: Path) -> None:
    """No session, no login, no account and no crontab are left; what was at home is kept for root. Containers go on."""
    mine = own(target, tmp_path)
    uid = mine.sh(f"{OWN_HOME}\n{BEHIND}\n{CONTAINER}\nid -u bob").strip()
    mine.sh(f"{HIDDEN}\n{LINGERING}\n{IN_A_SESSION}\n{LEAVES}")
    with session(mine, "bob") as stays:
        edit(mine, "group_vars/all/people.yml", without_bob)
        mine.play(SITE)
        assert stays.wait(timeout=10) != 0, "the removed person kept a session"
    assert mine.ssh("bob", "true") == 255
    gone = f"{CRONTAB} {AT_JOB} {LINGERS} /home/bob /var/tmp/shell"
    assert mine.sh(f"getent passwd bob; pgrep -u nobody -x sleep; ls {gone} 2>/dev/null", check=False) == ""
    assert len(mine.sh(f"pgrep -u {uid}").split()) == len(mine.sh("pgrep -fx 'sleep 777'").split()) == 1
    assert mine.sh("cd /home/bob.closed-*; cat notes; stat -c '%U %a' .").split() == ["mine", "root", "700"]
    assert mine.play(SITE).changed == 0


# As LXD gives it to root: from within what useradd may give to beyond it. All below has been given.
FULL = """for file in /etc/subuid /etc/subgid; do
  { echo root:1000000:1000000000; for n in $(seq 0 12); do echo u$n:$((100000 + 65536 * n)):65536; done; } > $file
done"""


def test_numbers_of_a_removed_person_are_given_to_nobody(target: Target, tmp_path: Path) -> None:
    """What lies about with the numbers of the one who came last stays nobody's, whoever comes next.

    Also where no subordinate numbers are left: useradd makes no account that is to have some.
    """
    mine = own(target, tmp_path)
    people = "group_vars/all/people.yml"
    edit(mine, people, lambda data: next(one for one in data["people"] if one["name"] == "bob").update(name="carl"))
    mine.play(SITE)
    uid, gid = mine.sh("id -u carl; id -g carl").split()
    carl: list[Any] = []

    def leaves(data: Any) -> None:
        carl.extend(person for person in data["people"] if person["name"] == "carl")
        data["people"].remove(carl[0])

    edit(mine, people, leaves)
    mine.play(SITE)
    assert mine.sh("getent passwd carl", check=False) == ""
    mine.sh(FULL)
    edit(mine, people, lambda data: data["people"].append({**carl[0], "name": "dora"}))
    assert "give dora no subordinate numbers" in mine.play(SITE).text
    assert mine.sh("grep dora /etc/subuid /etc/subgid", check=False) == ""
    assert mine.sh("id -u dora; id -g dora").split() == [str(int(uid) + 1), str(int(gid) + 1)]


def test_removed_person_whose_account_was_there_before(target: Target, tmp_path: Path) -> None:
    """The account that holdfast did not create stays, closed; with nothing that cron would run for it."""
    mine = own(target, tmp_path)
    mine.sh(f"{NOT_CREATED_HERE}\n{BEHIND}")
    edit(mine, "group_vars/all/people.yml", without_bob)
    assert "remove the crontab of bob" in mine.play(SITE).text
    assert mine.ssh("bob", "true") == 255
    assert mine.sh(f"ls {CRONTAB}", check=False) == ""
    assert mine.sh("getent passwd bob; cat /home/bob/notes").startswith("bob:")
    assert mine.play(SITE).changed == 0
    mine.sh(f"{FORGOTTEN}\n{JOB}\ntouch {LINGERS}\n{IN_A_SESSION}")  # put back by hand, say
    said = mine.play(SITE).text
    assert "remove the crontab of bob" in said
    assert "let nothing of bob run without a login" in said
    assert "end the sessions of bob" in said
    assert mine.sh(f"ls {CRONTAB} {LINGERS}; pgrep -u nobody -x sleep", check=False) == ""


def with_other_key(person: str, key: Path) -> Callable[[Any], None]:
    """The person has lost the key, and has this one instead."""

    def change(data: Any) -> None:
        found = next(entry for entry in data["people"] if entry["name"] == person)
        found["keys"][0]["key"] = " ".join(key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])

    return change


def test_stolen_key_does_not_come_back_from_a_fact_cache(target: Target, tmp_path: Path) -> None:
    """A run commits nothing that an earlier one, of a colleague say, has staged and Ansible's cache has kept."""
    mine = own(target, tmp_path)
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "old")}
    mine.environment.update(cache)
    mine.play(SITE)
    assert list((tmp_path / "old").iterdir()), "the run kept nothing"
    edit(mine, "group_vars/all/people.yml", with_other_key("bob", mine.inventory.keys["stranger"]))
    mine.environment.update(ANSIBLE_CACHE_PLUGIN_CONNECTION=str(tmp_path / "new"))
    mine.play(SITE)
    mine.environment.update(cache)
    mine.play(SITE, "--tags", "firewall")
    assert mine.ssh("bob", "true") == 255
    assert mine.ssh("bob", "true", key="stranger") == 0


@pytest.mark.full
def test_removed_person_whose_home_is_mounted(target: Target, tmp_path: Path) -> None:
    """What cannot be moved aside stays in its place, out of everybody's reach."""
    mine = own(target, tmp_path)
    mine.sh(f"mount -t tmpfs none /home/bob\nchown bob: /home/bob\n{BEHIND}")
    edit(mine, "group_vars/all/people.yml", without_bob)
    assert "keep its home directory as /home/bob, for root only" in mine.play(SITE, "-v").text
    assert mine.sh("getent passwd bob", check=False) == ""
    assert mine.sh("cd /home/bob; cat notes; stat -c '%U %a' .; mountpoint .").split()[:3] == ["mine", "root", "700"]
    assert mine.play(SITE).changed == 0


@pytest.mark.full
def test_person_whose_last_day_is_over(target: Target, tmp_path: Path) -> None:
    """The session that was still open ends and no other begins; the account stays, closed, to be extended."""
    mine = own(target, tmp_path)
    mine.sh(BEHIND)
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    with session(mine, "bob") as stays:
        edit_person(mine, "bob", until=yesterday.isoformat())
        mine.play(SITE)
        assert stays.wait(timeout=10) != 0, "the person kept a session past the last day"
    assert mine.ssh("bob", "true") == 255
    assert mine.sh("pgrep -u bob", check=False) == ""
    assert mine.sh("cat /home/bob/notes").strip() == "mine"
    assert mine.play(SITE).changed == 0
