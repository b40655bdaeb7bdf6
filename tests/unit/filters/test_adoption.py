"""Taking over a host: what a run would refuse, and the inventory that is drafted."""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
from typing import TYPE_CHECKING, Any

import yaml

from library.host_survey import human_uids, keys, listeners
from tests.unit.filters.support import FILTERS, SCHEMA, TODAY, ed25519, good, rsa

if TYPE_CHECKING:
    from pathlib import Path

PORT = {"proto": "tcp", "address": "0.0.0.0", "port": 9100, "program": "node", "user": "node", "unit": "node.service"}
# What ss shows of sshd, of ssh.socket, of a DHCP client, of a program, and of one on loopback.
SHOWN = """
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=0,fd=3))
tcp LISTEN 0 128 [::]:22 [::]:* users:(("systemd",pid=0,fd=3))
udp UNCONN 0 0 192.0.2.1%eth0:68 0.0.0.0:* users:(("dhclient",pid=0,fd=6))
tcp LISTEN 0 5 *:9100 *:* users:(("node",pid=0,fd=4))
tcp LISTEN 0 5 127.0.0.1:9101 0.0.0.0:* users:(("node",pid=0,fd=5))
tcp LISTEN 0 5 0.0.0.0:2222 0.0.0.0:* users:(("python3",pid=0,fd=5))
"""


def fingerprint(blob: str) -> str:
    """Return the fingerprint of a public key as ssh-keygen shows it."""
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def key(public: str, account: str, comment: str = "") -> dict[str, str]:
    """Return a key as the survey finds it."""
    kind, blob = public.split()
    return {
        "account": account,
        "file": "x",
        "type": kind,
        "public": public,
        "fingerprint": fingerprint(blob),
        "comment": comment,
    }


def account(name: str, sudo: str = "none", shell: str = "/bin/bash") -> dict[str, Any]:
    """Return an account as the survey finds it."""
    return {"name": name, "uid": 0 if name == "root" else 1000, "shell": shell, "password": False, "sudo": sudo}


def survey(**changes: Any) -> dict[str, Any]:
    """Return what a fresh host shows."""
    return {
        "hostname": "old.example.org",
        "listeners": [],
        "keys": [],
        "accounts": [account("root", "nopasswd")],
        "ssh_ports": [22],
        "networks": [],
        "docker": False,
        "wireguard": False,
        "packages": [],
        **changes,
    }


def refused(found: dict[str, Any], accept: list[str] | None = None, purged: list[str] | None = None) -> list[str]:
    """Return the entries that a first run on web1 asks for."""
    raw = good()
    raw["hosts"]["web1"]["accept"] = accept or []
    cat = FILTERS["catalogue"](raw, SCHEMA)
    rules = FILTERS["firewall_rules"](cat, "web1")
    return [entry["accept"] for entry in FILTERS["adoption_refusals"](cat, "web1", found, rules, purged or [])]


def test_sshd_and_clients_are_no_listeners_of_the_survey() -> None:
    found = [(one["proto"], one["port"], one["program"]) for one in listeners(SHOWN, [22, 2222])]
    assert found == [("tcp", 9100, "node"), ("tcp", 2222, "python3")]


def test_a_fresh_host_asks_for_nothing() -> None:
    assert refused(survey()) == []
    assert refused(survey(keys=[key(good()["people"][0]["keys"][0]["key"], "root", "the provider's copy")])) == []


def test_what_is_in_use_is_asked_for_until_it_is_accepted() -> None:
    found = survey(
        listeners=[PORT, {**PORT, "address": "::"}],
        keys=[key(ed25519(99), "walter", "walter@old")],
        accounts=[account("root"), account("walter"), account("alice")],
    )
    wanted = ["account walter", f"key {fingerprint(ed25519(99).split()[1])}", "port 9100/tcp"]
    assert refused(found) == wanted
    assert refused(found, wanted[:1]) == wanted[1:]
    assert refused(found, wanted) == []


def test_an_account_of_a_program_and_keys_of_the_system_s_accounts_are_asked_for() -> None:
    alices = good()["people"][0]["keys"][0]["key"]
    found = survey(
        keys=[key(ed25519(99), "walter", "w@old"), key(ed25519(99), "git"), key(alices, "git"), key(alices, "root")],
        accounts=[
            account("root"),
            account("walter"),
            account("app", shell="/usr/sbin/nologin"),
            account("A.B", shell=""),
        ],
    )
    wanted = ["account A.B", "account app", "account walter"]
    wanted += sorted(f"key {fingerprint(public.split()[1])}" for public in (ed25519(99), alices))
    assert refused(found) == wanted
    assert refused(found, wanted) == []
    raw = good()
    raw["hosts"]["web1"]["accept"] = wanted
    assert FILTERS["data_mistakes"](raw, SCHEMA) == []
    cat = FILTERS["catalogue"](good(), SCHEMA)
    said = " ".join(entry["what"] for entry in FILTERS["adoption_refusals"](cat, "web1", found, []))
    assert f"let in walter's and git's key {fingerprint(ed25519(99).split()[1])} (w@old)" in said
    assert f"let in git's key {fingerprint(alices.split()[1])}" in said


def test_the_survey_counts_among_people_whom_the_guard_closes() -> None:
    assert human_uids("") == range(1000, 60001)
    text = "#UID_MIN 1\nSYS_UID_MIN 100\nUID_MIN\t\t 500\nUID_MAX 70000 \nSUB_UID_MAX 600100000\n"
    assert human_uids(text) == range(500, 70001)


def test_a_file_of_keys_is_told_of_once_and_only_where_sshd_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "authorized_keys").write_text(f"{ed25519(1)} one\n")
    (folder / "authorized_keys2").mkdir()
    if os.geteuid() == 0:  # a file of root's is read for everybody
        os.chown(folder / "authorized_keys", 1000, -1)
    uid = (folder / "authorized_keys").stat().st_uid
    accounts = [
        pwd.struct_passwd((name, "x", number, 0, "", home, "/bin/sh"))
        for name, number, home in (
            ("other", uid + 1, str(tmp_path)),
            ("git", uid, str(tmp_path)),
            ("gitea", uid, f"{tmp_path}/.ssh/.."),
            ("nobody", uid, "/nonexistent"),
        )
    ]
    patterns = [".ssh/authorized_keys", "%h/.ssh/authorized_keys2"]
    assert [found["account"] for found in keys(accounts, patterns, strict=True)] == ["git"]
    assert [found["account"] for found in keys(accounts, patterns, strict=False)] == ["other"]


def test_what_would_be_purged_is_asked_for_in_words_that_the_inventory_takes() -> None:
    purged = ["libc6-i386:i386", "g++", "telnetd"]
    wanted = [f"package {name}" for name in sorted(purged)]
    assert refused(survey(), purged=purged) == wanted
    assert refused(survey(), wanted, purged) == []
    raw = good()
    raw["hosts"]["web1"]["accept"] = wanted
    assert FILTERS["data_mistakes"](raw, SCHEMA) == []


def drafted(found: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the drafted files, parsed, and the notes."""
    made = FILTERS["draft_inventory"]({"203.0.113.9": found}, "margaret", TODAY)
    return {path: yaml.safe_load(text) for path, text in made["files"].items()}, made["notes"]


def checked(files: dict[str, Any]) -> Any:
    """Return the catalogue of drafted files, in which preflight finds no mistake."""
    raw = {
        "people": files["group_vars/all/people.yml"]["people"],
        "services": files["group_vars/all/services.yml"]["services"],
        "policy": files["group_vars/all/policy.yml"]["policy"],
        "hosts": {"old": files["host_vars/old.yml"]["host"]},
        "groups": {"all": ["old"]},
    }
    found = FILTERS["data_mistakes"](raw, SCHEMA) + FILTERS["name_mistakes"](raw)
    cat = FILTERS["catalogue"](raw, SCHEMA)
    for name, arguments in (
        ("key_mistakes", ()),
        ("people_mistakes", (TODAY,)),
        ("network_mistakes", ()),
        ("service_mistakes", ()),
    ):
        found += FILTERS[name](cat, *arguments)
    assert [entry for entry in found if entry["level"] == "mistake"] == []
    return cat


def test_a_draft_has_no_mistake() -> None:
    found = survey(
        listeners=[PORT, {**PORT, "proto": "udp", "port": 9101}],
        keys=[
            key(ed25519(1), "root", "Ann B@laptop"),
            key(ed25519(1), "walter"),
            key(ed25519(2), "eve"),
            key(rsa(1024), "eve"),
        ],
        accounts=[account("root", "nopasswd"), account("walter", "password"), account("eve")],
        networks=[
            {"interface": "eth0", "addresses": ["203.0.113.9"], "default": True},
            {"interface": "eth1", "addresses": ["10.0.0.9"], "default": False},
        ],
    )
    files, notes = drafted(found)
    assert len(notes) == 1
    assert "eve's ssh-rsa key" in notes[0]
    assert files["host_vars/old.yml"]["host"]["networks"] == [
        {"name": "private1", "interface": "eth1", "address": ["10.0.0.9"]}
    ]
    people = files["group_vars/all/people.yml"]["people"]
    assert {person["name"]: [next(iter(right)) for right in person["rights"]] for person in people} == {
        "ann-b": ["admin"],
        "eve": ["login"],
    }
    assert files["group_vars/all/services.yml"]["services"] == [
        {"name": "node", "on": ["old"], "listen": [{"port": 9100}, {"port": 9101, "proto": "udp"}]}
    ]
    cat = checked(files)
    # Walter's key is Ann's, whose account is her own; and the weak key is for somebody to replace.
    rules = FILTERS["firewall_rules"](cat, "old")
    assert [entry["accept"] for entry in FILTERS["adoption_refusals"](cat, "old", found, rules)] == [
        "account walter",
        f"key {fingerprint(rsa(1024).split()[1])}",
    ]


def unit(name: str, port: int, **more: Any) -> dict[str, Any]:
    """Return a listener of a unit as the survey finds it."""
    return {**PORT, "port": port, "unit": name, **more}


def test_a_draft_takes_no_name_that_is_taken() -> None:
    found = survey(
        listeners=[
            unit("docker.service", 8080),
            unit("docker.service", 8081),
            unit("systemd-resolved.service", 53, proto="udp"),
            unit("systemd-resolved.service", 53),
            unit("dnsmasq.service", 53, address="10.0.0.9"),
            unit("walter.service", 9000),
            unit("", 111, program=""),
            unit("node.service", 9100),
        ],
        keys=[
            key(ed25519(1), "root", "backup@nas"),
            key(ed25519(2), "root", "root@old"),
            key(ed25519(3), "root", "systemd-x@old"),
            key(ed25519(4), "toor", "ann@laptop"),
            key(ed25519(5), "walter"),
            key(ed25519(6), "J.Doe"),
        ],
        accounts=[
            account("root", "nopasswd"),
            {**account("toor", "nopasswd"), "uid": 0},
            account("walter", "password"),
            account("J.Doe"),
            account("admin2"),
        ],
        docker=True,
    )
    files, notes = drafted(found)
    checked(files)
    assert notes == []
    people = files["group_vars/all/people.yml"]["people"]
    assert [person["name"] for person in people] == ["admin1", "admin3", "admin4", "ann", "walter", "admin5"]
    services = {service["name"]: service["listen"] for service in files["group_vars/all/services.yml"]["services"]}
    assert services == {
        "node": [{"port": 9100}],
        "port-111": [{"port": 111}],
        "port-53": [{"port": 53, "proto": "udp"}, {"port": 53}],
        "port-8080": [{"port": 8080}],
        "port-8081": [{"port": 8081}],
        "port-9000": [{"port": 9000}],
    }


def test_the_draft_knows_the_names_that_preflight_refuses() -> None:
    refused_names = FILTERS["name_mistakes"].__globals__["RESERVED"] | FILTERS["service_mistakes"].__globals__["TAKEN"]
    assert FILTERS["draft_inventory"].__globals__["TAKEN"] == refused_names


def test_a_key_of_a_program_s_account_makes_nobody_a_person() -> None:
    found = survey(
        keys=[
            key(ed25519(1), "root", "ann@laptop"),
            key(ed25519(2), "git", "eve@laptop"),
            key(ed25519(3), "app"),
            key(ed25519(1), "git"),
        ],
        accounts=[account("root", "nopasswd"), account("app", shell="/usr/sbin/nologin")],
    )
    files, notes = drafted(found)
    checked(files)
    assert [person["name"] for person in files["group_vars/all/people.yml"]["people"]] == ["ann"]
    assert [note.split(" ssh-")[0] for note in notes] == ["old: git's", "old: app's", "old: git's"]
