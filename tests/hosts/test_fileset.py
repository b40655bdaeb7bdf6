"""A set of files on a real host: whole or not at all, once, and finished by the next run when it was killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Run, Target

from .starts import SITE

pytestmark = pytest.mark.slow

PLAYBOOK = "tests/hosts/playbooks/fileset.yml"
UNIT = "/etc/systemd/system/sample.service"
TEXT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/{}\n[Install]\nWantedBy=multi-user.target\n"
SECRET = "bitter-almond"


def sample(program: str = "true", **more: Any) -> dict[str, Any]:
    """Return a set of a unit, a configuration with a handler, and a secret."""
    return {
        "concern": "sample",
        "files": [
            {"path": UNIT, "content": TEXT.format(program)},
            {"path": "/etc/sample.d/new/one.conf", "content": f"{program}\n", "mode": "0640"},
            {"path": "/etc/sample.d/password", "content": SECRET, "mode": "0600", "secret": True},
        ],
        "handlers": [{"paths": ["/etc/sample.d/*"], "argv": ["/bin/sh", "-c", "echo handled >> /root/handled"]}],
        "units": [{"name": "sample.service", "enabled": True, "active": True}],
        **more,
    }


def put(target: Target, given: dict[str, Any], folder: Path, *arguments: str, expect: int = 0) -> Run:
    """Put the set in place."""
    path = folder / "set.json"
    path.write_text(json.dumps({"set": given}), encoding="utf-8")
    return target.play(PLAYBOOK, "-e", f"@{path}", *arguments, expect=expect)


def handled(target: Target) -> int:
    """How often the handler has run."""
    return len(target.sh("cat /root/handled 2>/dev/null || true").split())


def test_put_change_remove(target: Target, tmp_path: Path) -> None:
    """Check mode tells and touches nothing; a second run changes nothing; what is not declared any more goes."""
    told = put(target, sample(), tmp_path, "--check", "--diff")
    assert "would create /etc/sample.d/new/one.conf" in told.text
    assert SECRET not in told.text
    assert target.sh(f"ls {UNIT} /etc/sample.d 2>/dev/null || true") == ""

    first = put(target, sample(), tmp_path, "--diff", "-vvv")
    assert first.changed
    assert SECRET not in first.text
    assert target.sh("stat -c %a:%U /etc/sample.d/new/one.conf /etc/sample.d/password").split() == [
        "640:root",
        "600:root",
    ]
    assert target.sh("systemctl is-enabled sample; systemctl is-active sample").split() == ["enabled", "active"]
    assert handled(target) == 1
    assert not put(target, sample(), tmp_path).changed

    smaller = sample(units=[{"name": "sample.service", "enabled": False, "active": False}])
    smaller["files"] = smaller["files"][:1]
    assert put(target, smaller, tmp_path).changed
    assert target.sh("find /etc/sample.d -type f; systemctl is-active sample || true").split() == ["inactive"]
    assert handled(target) == 2
    assert not put(target, smaller, tmp_path).changed


def test_a_failure_puts_everything_back(target: Target, tmp_path: Path) -> None:
    """A unit that does not start, a handler that fails, a judge that refuses, an owner who is not there."""
    put(target, sample(), tmp_path)
    before = target.sh("find /etc/sample.d /etc/systemd/system -type f -printf '%p %i %m\\n' | sort")
    broken = put(
        target,
        sample("false", handlers=[{"paths": ["*"], "argv": ["systemctl", "restart", "sample"]}]),
        tmp_path,
        expect=2,
    )
    assert "everything was put back" in broken.text
    no_owner = sample("echo")
    no_owner["files"][1]["owner"] = "nobody-of-that-name"
    refused = put(target, no_owner, tmp_path, expect=2)
    assert "nothing was changed" in refused.text
    assert "nobody-of-that-name" in refused.text
    judged = put(target, sample("echo", validate=[["/bin/sh", "-c", f"grep -q true {UNIT}"]]), tmp_path, expect=2)
    assert "the rehearsal failed" in judged.text
    assert target.sh("find /etc/sample.d /etc/systemd/system -type f -printf '%p %i %m\\n' | sort") == before
    assert target.sh("systemctl is-active sample").strip() == "active"
    assert not put(target, sample(), tmp_path).changed


def test_a_full_disk(target: Target, tmp_path: Path) -> None:
    """Nothing is changed, on other disks neither; the file that found no room is named; the next run mends it."""
    target.sh("mkdir /etc/sample.d && mount -t tmpfs -o size=64k,mode=755 tmpfs /etc/sample.d")
    put(target, sample(), tmp_path)
    bigger = sample("echo")
    bigger["files"][1]["content"] = "echo\n" + "#" * 8000
    target.sh("head -c 1M /dev/zero > /etc/sample.d/filler || true")
    seen = "find /etc/sample.d /etc/systemd/system -type f -printf '%p %i %m %s\n' | sort; ls -A /var/lib/holdfast/sets"
    before = target.sh(seen)
    refused = " ".join(put(target, bigger, tmp_path, expect=2).text.split())
    full = "No space left on device: '/etc/sample.d/new/.one.conf.guard-new'"
    assert f"nothing was changed: [Errno 28] {full}" in refused, refused[-3000:]
    assert target.sh(seen) == before
    assert target.sh("systemctl is-active sample; cat /etc/sample.d/new/one.conf").split() == ["active", "true"]
    assert handled(target) == 1
    target.sh("rm /etc/sample.d/filler")
    assert put(target, bigger, tmp_path).changed
    assert target.sh("head -n 1 /etc/sample.d/new/one.conf").strip() == "echo"
    assert handled(target) == 2
    assert not put(target, bigger, tmp_path).changed


@pytest.mark.parametrize("step", ["set-staged", "set-swapping", "set-swapped", "set-handled", "set-units"])
def test_killed_at(target: Target, tmp_path: Path, step: str) -> None:
    """The next run finishes what a killed one began: files, the handler, units; then nothing is left of it."""
    put(target, sample(), tmp_path)
    target.sh(f"rm /root/handled; echo {step} > /run/holdfast-guard.kill-at")
    put(target, sample("echo"), tmp_path, expect=2)
    assert put(target, sample("echo"), tmp_path).changed
    assert handled(target) >= 1
    assert target.sh("cat /etc/sample.d/new/one.conf").strip() == "echo"
    assert target.sh("find /etc -name '.*guard-*'; cd /var/lib/holdfast/sets; ls sample*").split() == ["sample.json"]
    assert not put(target, sample("echo"), tmp_path).changed


def test_what_lies_as_it_was_put_needs_no_call(target: Target, tmp_path: Path) -> None:
    """One call tells of all sets; what was moved by hand since, in whichever way, is put right all the same."""
    calls = tmp_path / "calls.json"
    target.environment |= {"ANSIBLE_CALLBACKS_ENABLED": "remote_calls", "HOLDFAST_CALLS_FILE": str(calls)}
    target.play(SITE)  # the container engine writes a copy's /etc/hostname anew
    assert not target.play(SITE).changed
    # contact, base, access, ssh, and the commit.
    assert json.loads(calls.read_text(encoding="utf-8"))["most"] == 5
    least = json.loads(calls.read_text(encoding="utf-8"))["most"]
    file, timer = "/etc/holdfast/health.json", "holdfast-health.timer"
    seen = f"stat -c %a:%U {file}; sha256sum {file}; systemctl is-enabled {timer}; systemctl is-active {timer}"
    before = target.sh(seen)
    for drift in (
        f"chmod 666 {file}",
        f"chown games {file}",
        f"echo >> {file}",
        f"systemctl stop {timer}",
        f"systemctl disable {timer}",
        f"rm /etc/systemd/system/{timer}; systemctl daemon-reload",
    ):
        target.sh(drift)
        assert target.play(SITE).changed, drift
        assert target.sh(seen) == before, drift
        assert json.loads(calls.read_text(encoding="utf-8"))["most"] > least
    target.sh('echo \'{"paths": [], "unit_files": true}\' > /var/lib/holdfast/sets/health.pending.json')
    assert target.play(SITE).changed, "a change that was begun and not ended"
    assert not target.play(SITE).changed
    assert json.loads(calls.read_text(encoding="utf-8"))["most"] == least
