"""When an update comes by itself, restarts that packages ask for wait for the host's window, all but sshd's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

YES, NO = 104, 101
RUNS = "systemd-journald"


def test_amid_the_job(target: Target) -> None:
    """A package's script that asks Debian's helper is refused the restart of what runs; the window is told of it."""
    asked = target.inside()["restarts"]
    problems = []
    if asked["amid"][RUNS] != NO:
        problems.append(f"{RUNS} would be restarted (invoke-rc.d answers {asked['amid'][RUNS]}, not {NO})")
    if asked["put_off"] != [f"{RUNS}.service"]:
        problems.append(f"a restart that is put off is not noted: {', '.join(asked['put_off']) or 'nothing'} is")
    empty(problems, "amid an upgrade that comes by itself")


def test_sshd_and_a_person_s_own_apt(target: Target) -> None:
    """The restart of sshd, and every one that a person's own apt brings along, come at once."""
    asked = target.inside()["restarts"]
    found = {"ssh, amid an upgrade that comes by itself,": asked["amid"]["ssh"]}
    found |= {f"{unit}, elsewhere,": answer for unit, answer in asked["elsewhere"].items()}
    refused = [f"{what} is not restarted (invoke-rc.d answers {code})" for what, code in found.items() if code != YES]
    empty(refused, "restarts that are refused")
