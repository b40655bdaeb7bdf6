"""Preflight as a user meets it: ansible-playbook with a bad inventory, and with the example once it is filled in."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.filters.support import ROOT, SEEN, ed25519, good, rsa

HASH = "$6$saltsaltsalt$" + "a" * 86


def write(folder: Path, raw: dict[str, Any], hashes: dict[str, Any]) -> None:
    """Write an environment as an inventory folder."""
    groups: dict[str, Any] = {
        name: {"hosts": {host: {} for host in hosts}}
        for name, hosts in raw["groups"].items()
        if name not in {"all", "ungrouped"}
    }
    top = {
        "hosts": {
            name: {k: "192.0.2.9" for k in raw["variables"][name] if k.startswith("ansible_")} for name in raw["hosts"]
        }
    }
    (folder / "host_vars").mkdir(parents=True)
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {**top, "children": groups}}))
    for name, host in raw["hosts"].items():
        (folder / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump({"host": host}))
    public = {name: raw[name] for name in ("people", "services", "policy")}
    (folder / "group_vars" / "all" / "data.yml").write_text(
        yaml.safe_dump({**public, "vault": {"password_hashes": hashes}})
    )


def play(
    inventory: Path, *arguments: str, roles: str = "site.yml", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook with an ssh that leaves a trace, so that a contacted host is seen."""
    trace = inventory.parent / "bin"
    trace.mkdir(exist_ok=True)
    for tool in ("ssh", "sftp", "scp"):
        (trace / tool).write_text(f"#!/bin/sh\necho contacted >> {inventory.parent}/contacted\nexit 255\n")
        (trace / tool).chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{trace}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "HOLDFAST_OPERATOR": "alice",
        "ANSIBLE_NOCOLOR": "1",
        **environment,
    }
    command = [
        "ansible-playbook",
        "-i",
        str(inventory),
        str(ROOT / "playbooks" / roles),
        "-e",
        "holdfast_today=2026-12-01",
        *arguments,
    ]
    return subprocess.run(
        command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )


def bad() -> dict[str, Any]:
    """Return an environment with one mistake of each kind."""
    raw = good()
    alice, bob, ci = raw["people"]
    blog, dns = raw["services"]
    alice["untill"] = "2027-01-01"
    alice["keys"].append({"name": "old", "key": rsa(2048), "verified": SEEN})
    alice["keys"].append({"name": "dsa", "key": "ssh-dss AAAAB3NzaC1kc3M=", "verified": SEEN})
    alice["keys"].append({"name": "torn", "key": "ssh-ed25519 AAAA*", "verified": SEEN})
    alice["rights"][1]["verified"] = {"by": "alice", "on": "2026-11-02"}
    bob["keys"].append({"name": "same", "key": ed25519(1), "verified": {"by": "alice", "on": "2027-01-01"}})
    bob["keys"].append({"name": "unseen", "key": ed25519(9)})
    bob["sudo"] = "pasword"
    bob["rights"].append({"login": True, "jump": True, "on": ["webb"], "verified": {"by": "zoe", "on": "2026-11-02"}})
    ci["from"] = ["198.51.100.7/24"]
    ci["owner"] = "carol"
    ci["rights"].append({"deploy": ["blgo"], "on": ["web"], "verified": {"by": "zoe", "on": "2026-11-02"}})
    raw["people"].append({"name": "dave", "until": "2026-13-01"})
    raw["people"].append({"name": "dave", "until": "2026-01-01", "keys": "none"})
    blog["listen"] += [
        {"port": 70000},
        {"port": 22},
        {"port": 8002, "network": "lan"},
        {"port": 8003, "network": "backend", "from": ["bastoin"]},
    ]
    dns["listen"] += [{"port": 80}, {"port": "25"}]
    raw["services"].append({"name": "shop", "on": ["web1"], "listen": [{"port": 8001, "network": "backend"}]})
    raw["services"][-1].update(release={"path": "gone"}, run={"web": {"exec": "serve"}}, secrets=["token"])
    raw["hosts"]["web1"].update(ssh={"jump": "web2"}, forwards="dockr")
    raw["hosts"]["web2"].update(ssh={"jump": "web1", "host_key": rsa(1024)})
    raw["hosts"]["lb1"]["address"] = "203.0.113.11"
    raw["hosts"]["lb1"]["networks"][1]["address"] = "10.0.0.300"
    del raw["hosts"]["bastion"]["console"]
    raw["policy"] = {"guard": {"seconds": 40}, "backup": {"at": "every day"}}
    raw["services"][-1]["schedule"] = [{"name": "tick", "exec": "tick", "at": "every hour"}]
    raw["hosts"]["web1"]["window"], raw["hosts"]["web2"]["window"] = (
        {"at": "Mon..Wed,Fri 02:30"},
        {"at": "Fri..Mon 02:00"},
    )
    raw["variables"]["db1"].append("ansible_host")
    return raw


EXPECTED = """
person alice, untill: found an unknown key; did you mean until?
person alice, keys[old].key: found an RSA key of 2048 bits; make an Ed25519 key
person alice, keys[dsa].key: found a DSA key; make an Ed25519 key
person alice, keys[torn].key: found ssh-ed25519 with damaged base64; copy the whole line
person alice, rights[jump].verified.by: found alice; name another person
person bob, key: found the same key as person alice: a; give each person
person bob, keys[same].verified.on: found 2027-01-01; write the day on which it happened
person bob, keys[unseen].verified: found nothing; write verified: {by: NAME, on: YYYY-MM-DD}
person bob, sudo: found pasword; did you mean password?
person bob, rights[2]: found login, jump; name exactly one of
person bob, rights[2].on: found webb; did you mean web?
person ci, from[1]: found 198.51.100.7/24; write a network such as
person ci, owner: found carol; name a declared person
person ci, rights[2].deploy: found blgo; did you mean blog?
automation ci, rights[deploy].verified.by: found zoe; name a person of `people`
person dave, until: found 2026-13-01; write a date that exists
person dave, keys: found none; write a list
people, name: found dave, 2 times; give each person one entry
service blog, listen[2].port: found 70000; write a whole number from 1 to 65535
service blog, listen[port 22].port: found 22/tcp on public; choose another port
service blog, listen[port 8002].network: found lan; declare it
service blog, listen[5].from: found bastoin; did you mean bastion?
service dns, listen[port 80].port: found 80/tcp on public; choose another port
service dns, listen[3].port: found 25; write a whole number
service shop, release.path: found gone: No such file or directory; name a directory
service shop, secrets.token: found nothing; write its value
service shop, listen[port 8001].port: found 8001/tcp on backend; choose another port
host web1, host.forwards: found dockr; did you mean docker?
host web1, host.ssh.jump: found web1 -> web2 -> web1; name a host
host web2, host.ssh.host_key: found an RSA key of 1024 bits
host lb1, host.address: found 203.0.113.11; write this host's own
host lb1, host.networks[backend].address: found 10.0.0.300; write an IPv4
host bastion, host.console: found nothing; write an account
host db1, ansible_host: found set in the inventory; remove it and write host.address
policy, guard.seconds: found 40; write more than 55
policy, backup.at: found every day; every is no day of the week: write a time such as daily
service shop, schedule[tick].at: found every hour; every is no day of the week
host web2, host.window.at: found Fri..Mon 02:00; systemd takes no range over the week's end: write Fri,Sat,Sun,Mon
host web2, host.window: found Fri..Mon 02:00 for 60 minutes; choose another time: web1 of the group web has Mon..Wed,Fri
operator, rights: found no jump right on web1; give alice the right
person alice, vault.password_hashes.alice: found something that is no crypt hash
host db1, vault.password_hashes.rescue: found an MD5 hash
""".strip().splitlines()


@pytest.mark.parametrize(
    "arguments", [("-vvv", "--diff"), ("--check", "--limit", "web", "--tags", "firewall")], ids=["all", "limited"]
)
def test_every_mistake_is_named_at_once_and_no_host_is_contacted(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write(tmp_path / "inventory", bad(), {"alice": "hunter2-plain", "rescue": "$1$hunter2$x"})
    done = play(tmp_path / "inventory", *arguments)
    said = re.sub(r"\s+", " ", done.stdout)
    missing = [
        line for line in EXPECTED if re.sub(r"\s+", " ", line).removeprefix("- ") not in said and "rescue" not in line
    ]
    assert done.returncode != 0, done.stdout + done.stderr
    assert missing == [], done.stdout + done.stderr
    assert re.search(r"host \w+, vault.password_hashes.rescue: found an MD5 hash", said)
    assert said.count("person alice, untill: found") == 1
    assert not (tmp_path / "contacted").exists()
    assert "hunter2" not in done.stdout + done.stderr


def filled(folder: Path) -> Path:
    """Copy the example, and name host and people as its comments ask."""
    shutil.copytree(ROOT / "inventories/example", folder)
    people = folder / "group_vars/all/people.yml"
    text = re.sub(r"key: sk-ssh.*", f"key: {ed25519(1)}", people.read_text()).replace(
        "factors: fido2 ", "factors: key "
    )
    people.write_text(re.sub(r"key: ssh-ed25519 AAAA\S+ReplaceWith.*", f"key: {ed25519(2)}", text))
    hashes = dict.fromkeys(["alice", "bob", "rescue"], HASH)
    (folder / "group_vars/all/vault.yml").write_text(yaml.safe_dump({"vault": {"password_hashes": hashes}}))
    return folder


def test_the_example_says_what_is_to_be_replaced_and_passes_then(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventories/example", tmp_path / "as-is")  # play() leaves its trace beside the inventory
    untouched = play(tmp_path / "as-is", "--list-tasks")
    assert untouched.returncode == 0, untouched.stderr
    said = re.sub(r"\s+", " ", play(tmp_path / "as-is").stdout)
    assert len(re.findall(r"found the example's key", said)) == 2, said
    assert len(re.findall(r"vault.password_hashes.\w+: found nothing", said)) == 3, said
    playbook = tmp_path / "preflight.yml"
    shutil.copytree(ROOT / "playbooks/group_vars", tmp_path / "group_vars")
    told = "operator={{ holdfast_operator }} rules={{ preflight_catalogue | firewall_rules(inventory_hostname) }}"
    tasks = [{"ansible.builtin.debug": {"msg": told}}]
    playbook.write_text(
        yaml.safe_dump([{"hosts": "all", "gather_facts": False, "roles": ["preflight"], "tasks": tasks}])
    )
    done = play(filled(tmp_path / "mine"), "--check", roles=str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "operator=alice rules=[]" in done.stdout
    assert "Warnings (legal, but weak)" in done.stdout
    assert not (tmp_path / "contacted").exists()


def without_mistakes(folder: Path) -> Path:
    """Write an inventory without mistakes."""
    write(folder, good(), dict.fromkeys(["alice", "bob", "rescue"], HASH))
    return folder


def set_beside(inventory: Path, where: str, text: str) -> None:
    """Add variables to a file of the inventory."""
    path = inventory / f"{where}.yml"
    path.write_text((path.read_text() if path.exists() else "") + text)


BESIDE = """
host web1, base_apt_lock_seconds: found 2m; write a whole number
host web1, base_codename: found trixi; did you mean trixie? use one of: bookworm, trixie
host web1, firewall_rules[1].port: found https; write a whole number
host web1, firewall_rules[1].protocol: found an unknown key; did you mean proto? known here: port, proto
host web1, firewall_rules[2].port: found nothing; add it
host web1, ssh_post_quantum_onyl: found an unknown variable; did you mean ssh_post_quantum_only?
host web1, services_keep: found three; write a whole number
host web2, updates_reboot: found maybe; write true or false
host web2, contact_password_hahs: found an unknown variable; did you mean contact_password_hash?
all hosts, contact_timeout: found soon; write a whole number
all hosts, ssh_host_key_types: found ["dsa"]; use any of: ed25519, rsa
""".strip().splitlines()


@pytest.mark.parametrize("playbook", ["site.yml", "verify.yml", "backup.yml", "restore.yml", "patch.yml", "run.yml"])
def test_role_variables_beside_the_data_are_judged_too(tmp_path: Path, playbook: str) -> None:
    inventory = without_mistakes(tmp_path / "inventory")
    set_beside(
        inventory,
        "host_vars/web1",
        """
base_apt_lock_seconds: 2m
base_codename: trixi
firewall_rules: [{port: https, protocol: tcp}, {}]
ssh_post_quantum_onyl: true
services_keep: "{{ my_number }}"
my_number: three
""",
    )
    set_beside(inventory, "host_vars/web2", "updates_reboot: maybe\ncontact_password_hahs: hunter2\n")
    set_beside(inventory, "group_vars/all/more", "base_domain: example.org\n")
    done = play(inventory, "-e", "contact_timeout=soon", "-e", '{"ssh_host_key_types": ["dsa"]}', roles=playbook)
    said = re.sub(r"\s+", " ", done.stdout)
    assert done.returncode != 0
    assert [line for line in BESIDE if line not in said] == [], done.stdout + done.stderr
    assert "all hosts, base_domain: found an unknown variable" in said.split("Warnings (legal, but weak):")[1]
    assert f"The inventory has {len(BESIDE)} mistakes" in said
    assert "hunter2" not in done.stdout + done.stderr
    assert not (tmp_path / "contacted").exists()


@pytest.mark.parametrize("where", ["a file of the group", "the inventory's own file"])
def test_what_the_wiring_page_sets_has_no_effect_for_all_hosts(tmp_path: Path, where: str) -> None:
    """The page comes after the inventory's group all, and before any other group: only the former is a mistake."""
    inventory = without_mistakes(tmp_path / "inventory")
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text())["all"]
    hosts["children"]["far"] = {"hosts": {"web1": {}}, "vars": {"base_resolvers": ["192.0.2.53"]}}
    mine = {"base_resolvers": ["192.0.2.99"], "ssh_post_quantum_only": True}
    if where == "a file of the group":
        set_beside(inventory, "group_vars/all/more", yaml.safe_dump(mine))
    else:
        hosts["vars"] = mine
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"all": hosts}))
    done = play(inventory)
    said = re.sub(r"\s+", " ", done.stdout)
    assert "group all, base_resolvers: found a variable without effect; the playbooks set it" in said, done.stderr
    assert "The inventory has 1 mistake" in said
    assert not (tmp_path / "contacted").exists()


@pytest.mark.parametrize("beside", [True, False], ids=["in-the-inventory", "with-e"])
def test_other_arguments_for_ssh_are_refused(tmp_path: Path, beside: bool) -> None:
    """With them a contact would find its way, and the login that has to prove a commit would not."""
    inventory = without_mistakes(tmp_path / "inventory")
    names = ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"]
    places = ["host_vars/web1", "group_vars/web", "host_vars/lb1"]
    given: list[str] = []
    for name, place in zip(names, places, strict=True):
        if beside:
            set_beside(inventory, place, f"{name}: -o ProxyJump=relay\n")
        else:
            given += ["-e", f"{name}='-o ProxyJump=relay'"]
    done = play(inventory, *given)
    said = re.sub(r"\s+", " ", done.stdout)
    assert done.returncode != 0
    for name, host in zip(names, ("web1", "web2", "lb1"), strict=True):
        entry = f"host {host}" if beside else f"(all hosts|host {host})"
        assert re.search(rf"{entry}, {name}: found set [^;]+; remove it and write host.ssh.jump for a jump", said), said
    assert ("host db1, ansible_" in said) is not beside
    assert not (tmp_path / "contacted").exists()


def other_configuration(folder: Path, section: str, option: str, value: str) -> str:
    """Write an ansible.cfg of the user's own, elsewhere, with one setting more."""
    own = configparser.ConfigParser(interpolation=None)
    own.read(ROOT / "ansible.cfg")
    for name, path in own["defaults"].items():
        if path in {"roles", "library"} or path.endswith("_plugins"):
            own["defaults"][name] = str(ROOT / path)
    own[section][option] = value
    with (folder / "ansible.cfg").open("w") as handle:
        own.write(handle)
    return str(folder / "ansible.cfg")


CHECKED = "host.ssh.host_key"
LOOSE = "-o ControlMaster=auto -oStrictHostKeyChecking=no"


@pytest.mark.parametrize(
    ("environment", "arguments", "named"),
    [
        ({"ANSIBLE_HOST_KEY_CHECKING": "False"}, (), "environment, ANSIBLE_HOST_KEY_CHECKING: found host keys are not"),
        ({"ANSIBLE_SSH_HOST_KEY_CHECKING": "0"}, (), "environment, ANSIBLE_SSH_HOST_KEY_CHECKING: found host keys are"),
        ({"ANSIBLE_SSH_ARGS": LOOSE}, (), "environment, ANSIBLE_SSH_ARGS: found StrictHostKeyChecking=no; unset it"),
        (
            {"ANSIBLE_SFTP_EXTRA_ARGS": LOOSE},
            (),
            "environment, ANSIBLE_SFTP_EXTRA_ARGS: found StrictHostKeyChecking=no",
        ),
        (
            {},
            ("--ssh-extra-args", "-o UserKnownHostsFile=/dev/null"),
            "command line, --ssh-extra-args: found UserKnownHostsFile=/dev/null; remove it",
        ),
        ({}, ("--scp-extra-args=-F /tmp/other",), "command line, --scp-extra-args: found -F /tmp/other; remove it"),
    ],
)
def test_what_switches_host_keys_off_beside_the_inventory_is_refused(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], named: str
) -> None:
    """Contact and proof would stay strict, and every task after them would talk to whoever answers."""
    done = play(without_mistakes(tmp_path / "inventory"), *arguments, **environment)
    said = re.sub(r"\s+", " ", done.stdout)
    assert named in said, done.stdout + done.stderr
    assert CHECKED in said
    assert "The inventory has 1 mistake," in said
    assert not (tmp_path / "contacted").exists()


@pytest.mark.parametrize("section", ["defaults", "ssh_connection"])
def test_another_ansible_cfg_that_switches_host_keys_off_is_refused(tmp_path: Path, section: str) -> None:
    config = other_configuration(tmp_path, section, "host_key_checking", "no")
    done = play(without_mistakes(tmp_path / "inventory"), ANSIBLE_CONFIG=config)
    said = re.sub(r"\s+", " ", done.stdout)
    assert f"{config}, host_key_checking: found host keys are not checked; remove it" in said, done.stdout + done.stderr
    assert not (tmp_path / "contacted").exists()


@pytest.mark.parametrize("beside", [True, False], ids=["in-the-inventory", "with-e"])
def test_variables_that_switch_host_keys_off_are_refused(tmp_path: Path, beside: bool) -> None:
    inventory = without_mistakes(tmp_path / "inventory")
    given: list[str] = []
    names = ["ansible_host_key_checking", "ansible_ssh_host_key_checking", "ansible_sftp_extra_args"]
    for name in names:
        if beside:
            set_beside(inventory, "host_vars/web1", f"{name}: false\n")
        else:
            given += ["-e", f"{name}=false"]
    said = re.sub(r"\s+", " ", play(inventory, *given).stdout)
    for name in names:
        assert re.search(rf"host web1, {name}: found set in the inventory; remove it and write", said), said
    assert ("host db1, ansible_" in said) is not beside
    assert not (tmp_path / "contacted").exists()


@pytest.mark.parametrize("playbook", ["verify.yml", "audit.yml", "backup.yml", "restore.yml", "patch.yml", "run.yml"])
def test_every_playbook_refuses_to_go_without_host_keys(tmp_path: Path, playbook: str) -> None:
    inventory = without_mistakes(tmp_path / "inventory")
    done = play(inventory, "--check", roles=playbook, ANSIBLE_HOST_KEY_CHECKING="False")
    assert "ANSIBLE_HOST_KEY_CHECKING: found host keys are not checked" in done.stdout, done.stdout + done.stderr
    assert done.returncode != 0
    assert not (tmp_path / "contacted").exists()


def test_arguments_for_ssh_that_leave_host_keys_alone_pass(tmp_path: Path) -> None:
    done = play(
        without_mistakes(tmp_path / "inventory"),
        ANSIBLE_SSH_ARGS="-C -o ControlPersist=5m -o 'StrictHostKeyChecking yes'",
        ANSIBLE_HOST_KEY_CHECKING="True",
    )
    assert "Mistakes:" not in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "contacted").exists()


def test_role_variables_that_fit_or_that_only_a_host_can_tell_pass(tmp_path: Path) -> None:
    inventory = without_mistakes(tmp_path / "inventory")
    set_beside(
        inventory,
        "host_vars/web1",
        """
lock: 60
base_apt_lock_seconds: "{{ lock * 2 }}"
contact_apt_lock_seconds: "30"
guard_wave: "{{ ansible_facts.memtotal_mb // 1000 }}"
updates_window: {at: "{{ contact_found.os.codename }}", minutes: 5}
firewall_rules: [{port: "{{ hostvars.web2.host.ssh.port | default(8443) }}"}]
ssh_port: "{{ firewall_ssh_burst + 2162 }}"
backup_password: hunter2
preflight_operator: alice
base__checked: [internal]
based_on: a name of the user's
""",
    )
    done = play(inventory)
    assert "Mistakes:" not in done.stdout, done.stdout + done.stderr
    assert "unknown variable" not in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert (tmp_path / "contacted").exists()


@pytest.mark.parametrize(
    ("playbook", "arguments", "stops"),
    [
        ("site.yml", (), True),
        ("site.yml", ("--check",), True),
        ("site.yml", ("--tags", "access,services"), True),
        ("site.yml", ("--tags", "firewall"), True),
        ("site.yml", ("--skip-tags", "access"), True),
        ("site.yml", ("--tags", "access"), False),
        ("site.yml", ("--skip-tags", "services"), False),
        ("verify.yml", (), False),
        ("backup.yml", (), False),
        ("restore.yml", ("--limit", "web1", "-e", "path=/etc/x", "-e", "to=/var/restore/x"), False),
        ("patch.yml", (), False),
        ("run.yml", ("-e", "service=blog", "-e", "command=true"), False),
    ],
)
def test_where_no_release_was_built_only_what_releases_is_refused(
    tmp_path: Path, playbook: str, arguments: tuple[str, ...], stops: bool
) -> None:
    inventory = without_mistakes(tmp_path / "inventory")
    path = inventory / "group_vars/all/data.yml"
    data = yaml.safe_load(path.read_text())
    data["services"][0].update(release={"path": "dist"}, run={"web": {"exec": "serve"}})
    path.write_text(yaml.safe_dump(data))
    done = play(inventory, *arguments, roles=playbook)
    said = re.sub(r"\s+", " ", done.stdout)
    assert "service blog, release.path: found dist: No such file or directory; name a directory" in said, done.stderr
    assert ("The inventory has 1 mistake" in said) is stops, said
    assert (tmp_path / "contacted").exists() is not stops, done.stdout + done.stderr


def test_a_file_that_is_not_the_security_trackers_is_refused(tmp_path: Path) -> None:
    inventory = filled(tmp_path / "mine")
    done = play(inventory, "--check", "-e", f"tracker={tmp_path}/none.json", roles="patch.yml")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"tracker={tmp_path}/none.json: No such file or directory. Save https://" in re.sub(r"\s+", " ", done.stdout)
    assert not (tmp_path / "contacted").exists()
