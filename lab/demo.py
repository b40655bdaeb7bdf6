"""`make demo`: a bare Debian 13 host becomes one that only the right people can enter, before your eyes."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab import inventory
from lab.cache import cache_dir
from lab.engine import Engine, answering
from lab.hosts import Lab, LabHost
from lab.play import ROOT, play
from lab.progress import LabError, progress

FOLDER = Path(".holdfast/demo")
HOST = "demo"
STEPS = 9
# The second of two small services: others may connect to it, but the first declares no connection.
QUOTES: dict[str, Any] = {
    "name": "quotes",
    "on": ["web"],
    "release": {"path": str(inventory.SAMPLE)},
    "run": {"web": {"exec": "serve", "port": 8010, "health": {"path": "/healthz"}}},
    "listen": [{"port": 8010, "from": ["web"]}],
}
POLICY: dict[str, Any] = {**inventory.DEFAULT_POLICY, "backup": {"repository": {"url": "/var/backups/holdfast"}}}
STATE = "/srv/notes/shared"
RESTORED = "/var/restore/demo"
CONNECT = "import socket; socket.create_connection(('127.0.0.1', 8010), 5)"


def lab(engine: Engine | None = None) -> Lab:
    """Return this checkout's demo lab. Another checkout on this machine has a demo of its own."""
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:5]
    return Lab(f"demo-{mark}", directory=FOLDER / "lab", engine=engine)


def ssh_config(host: LabHost, folder: Path, user: str) -> str:
    """Return an SSH configuration that leads to the host as ``user``, with the key that the first contact pinned."""
    folder = folder.resolve()
    return f"""\
Host {host.name}
    HostName {host.address}
    User {user}
    IdentityFile {folder}/inventory/keys/{user}
    IdentitiesOnly yes
    HostKeyAlias {host.name}
    UserKnownHostsFile {folder}/inventory/known_hosts/{host.name}
    StrictHostKeyChecking yes
"""


def heading(number: int, text: str) -> None:
    """Announce a step."""
    progress.say(f"== {number}/{STEPS} {text}")


def start() -> tuple[Lab, LabHost, list[str]]:
    """Return the lab, the host and the arguments of its inventory: of the running demo, else of a fresh one."""
    place = lab()
    path = FOLDER / "inventory"
    host = place.find(HOST)
    if host and (path / "hosts.yml").exists() and (path / "known_hosts").exists():
        progress.say(
            f"the demo host is already there ({host.address}): going on with it; `make demo-down` starts afresh"
        )
        return place, host, ["-i", str(path.resolve()), "-e", f"operator={inventory.OPERATOR}"]
    remove()
    place = lab()  # the old one remembers a network that is gone
    FOLDER.mkdir(parents=True, exist_ok=True)
    host = place.start(HOST, "trixie")
    progress.say(f"a bare Debian 13 at {host.address} {host.address6}: SSH as root, with a key, is all there is")
    # The stranger who probes the host last shares the throttle with nobody, so no source is exempt.
    services = inventory.default_services()
    services[-1]["backup"] = {"paths": ["note"]}
    return place, host, inventory.write(path, [host], services=[*services, QUOTES], policy=POLICY).arguments


def need(condition: bool, what: str, log: Path) -> None:
    """Raise LabError with where to look unless ``condition`` holds."""
    if not condition:
        raise LabError(
            f"{what}\nAll output is in {log}. `make demo` goes on from here, `make demo-down` starts afresh."
        )


def login(command: str) -> subprocess.CompletedProcess[str]:
    """Log in over a connection of its own and run a command. At most 30 s."""
    ssh = [
        "ssh",
        "-F",
        str(FOLDER / "ssh_config"),
        "-o",
        "BatchMode=yes",
        "-o",
        "ControlPath=none",
        "-o",
        "ConnectTimeout=10",
    ]
    try:
        return subprocess.run([*ssh, HOST, command], capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 255, "", "no answer within 30 s")


def command_of(service: str, command: str) -> list[str]:
    """Return the arguments by which playbooks/run.yml runs a command in the sandbox of a service."""
    return ["-e", json.dumps({"service": service, "command": command})]


def show_services(arguments: list[str], log: Path) -> None:
    """Let one of the two services try to reach the other; the other itself answers."""
    heading(6, "two services, notes and quotes: notes tries to connect to quotes")
    own = play("playbooks/run.yml", [*arguments, *command_of("quotes", f'python3 -c "{CONNECT}"')], log=log, show=False)
    tried = play(
        "playbooks/run.yml", [*arguments, *command_of("notes", f'python3 -c "{CONNECT}"')], log=log, show=False
    )
    need(own.code == 0, f"quotes does not answer at its own port:\n{own.text[-1500:]}", log)
    need("ConnectionRefusedError" in tried.text, f"notes reached quotes, or could not try:\n{tried.text[-1500:]}", log)
    progress.say("  quotes answers itself; notes is refused, since its inventory entry declares no such connection")


def show_patch(arguments: list[str], log: Path) -> None:
    """Install what is pending."""
    heading(7, "patch: install every security update that is pending, now")
    patched = play("playbooks/patch.yml", arguments, log=log)
    need(patched.code == 0, "the host is not well after its updates", log)


def show_backup(arguments: list[str], log: Path) -> None:
    """Write a note, back it up, lose it, bring it back."""
    heading(8, "back up, lose a file, restore it")
    written = play(
        "playbooks/run.yml", [*arguments, *command_of("notes", "echo remember > $HOME/note")], log=log, show=False
    )
    need(written.code == 0, f"the service could not write:\n{written.text[-1500:]}", log)
    saved = play("playbooks/backup.yml", arguments, log=log, show=False)
    need(saved.code == 0, f"the backup failed:\n{saved.text[-1500:]}", log)
    lost = login(f"sudo rm -rf {STATE}/note {RESTORED} && sudo test ! -e {STATE}/note")
    need(lost.returncode == 0, f"the file could not be deleted: {lost.stderr.strip()}", log)
    wanted = {"path": f"{STATE}/note", "to": RESTORED}
    back = play("playbooks/restore.yml", [*arguments, "-e", json.dumps(wanted)], log=log, show=False)
    need(back.code == 0, f"the restore failed:\n{back.text[-1500:]}", log)
    answer = login(f"sudo cat {RESTORED}{STATE}/note")
    need(answer.stdout.strip() == "remember", f"the file did not come back: {answer.stderr.strip()}", log)
    progress.say(f"  {STATE}/note was deleted, and came back from the encrypted repository into {RESTORED}")


def run() -> int:
    """Run the whole demo and return the exit code."""
    heading(1, "a bare Debian 13 host, as a provider hands it over")
    place, host, arguments = start()
    log = FOLDER / "log.txt"
    (FOLDER / "ssh_config").write_text(ssh_config(host, FOLDER, inventory.OPERATOR), encoding="utf-8")

    heading(2, "harden it: ansible-playbook playbooks/site.yml, over SSH")
    first = play("playbooks/site.yml", arguments, log=log)
    need(first.code == 0, "the hardening run failed; its last lines tell why", log)
    progress.say(f"hardened in {first.seconds:.0f} s")

    heading(3, "the same again: nothing may change")
    second = play("playbooks/site.yml", arguments, log=log, show=False)
    need(second.code == 0, f"the second run failed:\n{second.text[-2000:]}", log)
    need(second.changed == 0, f"the second run changed {second.changed} things:\n{second.text[-2000:]}", log)
    progress.say(f"changed=0 after {second.seconds:.0f} s")

    heading(4, "verify every promise, from outside and from inside")
    report = FOLDER / "report"
    extra = {
        "verify_report": str(report.resolve()),
        "verify_keys": str((FOLDER / "inventory/keys").resolve()),
        "verify_outsider": shlex.join(place.outsider()),
    }
    verified = play("playbooks/verify.yml", [*arguments, "-e", json.dumps(extra)], log=log)
    need(verified.code == 0, f"a promise does not hold; see {report / 'index.html'}", log)

    heading(5, "lock yourself out: sshd is told to admit a group that nobody is in")
    attack = play("molecule/shared/lockout.yml", arguments, log=log)
    need(attack.code != 0, "the lock-out was not noticed", log)
    # Any other failure would look the same from here: the host itself must have said that it went back.
    need("The host put everything back" in attack.text, "the run failed before the lock-out was tried", log)
    progress.say(f"the run failed, as it should, after {attack.seconds:.0f} s. Logging in afresh:")
    answer = login("echo $(whoami)@$(hostname), sudo: $(sudo -n whoami)")
    need(answer.returncode == 0, f"the host did not come back: {answer.stderr.strip()}", log)
    progress.say(f"  {answer.stdout.strip()}: the host has put itself back")

    show_services(arguments, log)
    show_patch(arguments, log)
    show_backup(arguments, log)

    heading(STEPS, "one more run finds nothing to repair")
    last = play("playbooks/site.yml", arguments, log=log, show=False)
    need(last.code == 0 and last.changed == 0, f"the last run changed or failed:\n{last.text[-2000:]}", log)
    print(
        f"""
The host is up and only declared people can enter it. What next:
  log in          ssh -F {FOLDER}/ssh_config {HOST}        (as {inventory.OPERATOR}; sudo needs no password there)
  read            {report}/index.html           (promise by promise), {report}/results.json
  look at         {FOLDER}/inventory/                (people, services, policy, host: change it and run again)
  run again       .venv/bin/ansible-playbook playbooks/site.yml {" ".join(arguments)}
  your own VPS    copy inventories/example, name host and people, run playbooks/site.yml
  take it down    make demo-down
Done after {progress.seconds:.0f} s."""
    )
    return 0


def remove() -> None:
    """Remove the demo's containers, networks and files, whichever engine it ran with."""
    engines = list(answering())
    if FOLDER.exists() and not engines:
        raise LabError("no engine answers, so the demo's host stays: start docker or podman, then run this again")
    for engine in engines:
        lab(engine).down()
    if FOLDER.exists():
        try:
            shutil.rmtree(FOLDER)
        except OSError as error:
            raise LabError(f"cannot remove {error.filename} ({error.strerror}): run this as who made it") from error


def down() -> int:
    """Remove all that the demo made, and say what stays."""
    remove()
    progress.say("the demo's host, networks and files are gone")
    progress.say(f"kept for the next time: {cache_dir()}, and the images localhost/holdfast/bare in the engine")
    return 0
