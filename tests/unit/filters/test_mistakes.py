"""Each mistake by itself: it is found, named by entry and key, and comes with a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.filters.support import FILTERS, SCHEMA, SEEN, TODAY, ed25519, rsa

if TYPE_CHECKING:
    from collections.abc import Callable

HASHES = {"alice": "$6$saltsaltsalt$" + "a" * 86, "rescue": "$y$j9T$saltsalt$" + "a" * 43}


def findings(
    raw: Any,
    hashes: Any = None,
    operator: str = "alice",
    hosts: Any = ("web1", "db1"),
    today: str = TODAY,
    secrets: Any = None,
) -> list[dict[str, str]]:
    """Return what all filters of preflight find."""
    cat = FILTERS["catalogue"](raw, SCHEMA, tolerant=True)
    found: list[dict[str, str]] = FILTERS["data_mistakes"](raw, SCHEMA) + FILTERS["name_mistakes"](raw)
    found += (
        FILTERS["key_mistakes"](cat)
        + FILTERS["people_mistakes"](cat, today)
        + FILTERS["admin_mistakes"](cat, today, operator, hosts)
    )
    found += (
        FILTERS["network_mistakes"](cat)
        + FILTERS["egress_mistakes"](cat)
        + FILTERS["password_mistakes"](cat, HASHES if hashes is None else hashes, today)
    )
    found += FILTERS["calendar_mistakes"](cat) + FILTERS["window_mistakes"](cat)
    found += FILTERS["backup_mistakes"](cat, secrets) + FILTERS["health_mistakes"](cat)
    return found


def mistakes(raw: Any, **more: Any) -> list[dict[str, str]]:
    return [item for item in findings(raw, **more) if item["level"] == "mistake"]


def warnings(raw: Any, **more: Any) -> list[dict[str, str]]:
    return [item for item in findings(raw, **more) if item["level"] == "warning"]


def test_a_good_inventory_has_no_mistake(raw: dict[str, Any]) -> None:
    assert mistakes(raw) == []
    assert FILTERS["catalogue"](raw, SCHEMA)["hosts"].keys() == raw["hosts"].keys()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Sun 03:00", "Sun 04:00"),
        ("Sun 23:00", "Mon 00:00"),
        ("Mon..Fri 03:00", "Sat,Sun 03:00"),
        ("Mon..Wed,Fri..Sat 03:00", "Thu,Sun 03:00"),
        ("04:00", "05:00"),
    ],
)
def test_windows_that_touch_do_not_overlap(raw: dict[str, Any], first: str, second: str) -> None:
    raw["hosts"]["web1"]["window"], raw["hosts"]["web2"]["window"] = {"at": first}, {"at": second}
    raw["hosts"]["lb1"]["window"] = {"at": first}  # the same time, in another group
    assert mistakes(raw) == []


def alice(raw: Any) -> Any:
    return raw["people"][0]


def set_in(target: Callable[[Any], Any], **values: Any) -> Callable[[Any], None]:
    def change(raw: Any) -> None:
        target(raw).update(values)

    return change


def key(raw: Any) -> Any:
    return alice(raw)["keys"][0]


def right(raw: Any) -> Any:
    return alice(raw)["rights"][0]


def blog(raw: Any) -> Any:
    return raw["services"][0]


def listener(raw: Any) -> Any:
    return blog(raw)["listen"][0]


def host(name: str) -> Callable[[Any], Any]:
    return lambda raw: raw["hosts"][name]


def ci(raw: Any) -> Any:
    return raw["people"][2]


def add_service(**service: Any) -> Callable[[Any], None]:
    return lambda raw: raw["services"].append({"name": "other", "on": ["web1"], **service})


def whole(**values: Any) -> Callable[[Any], None]:
    return set_in(lambda raw: raw, **values)


def windows(**at: str) -> Callable[[Any], None]:
    def change(raw: Any) -> None:
        for name, text in at.items():
            raw["hosts"][name]["window"] = {"at": text}

    return change


def backup(*paths: str, **values: Any) -> Callable[[Any], None]:
    """Declare the backup of host paths, and more of policy.backup."""
    return whole(policy={"backup": {"paths": [{"path": path, "on": ["web"]} for path in paths], **values}})


def parts(*ports: int, name: str = "other") -> Callable[[Any], None]:
    """Add a service with a part on each port."""
    run = {role: {"exec": "serve", "port": port} for role, port in zip(("web", "web2"), ports, strict=False)}
    return add_service(name=name, release={"path": "dist"}, run=run)


LEFT = {"warn": 3, "fail": 7}
SFTP = {"url": "sftp://me@nas/srv/b"}


def destination_without_address(raw: Any) -> None:
    host("db1")(raw).update(address="db1.example.org", networks=[])
    add_service(egress=[{"to": "db1", "port": 5432}])(raw)


def database_without_address(raw: Any) -> None:
    host("db1")(raw).update(networks=[])
    add_service(database={"kind": "postgresql", "on": ["data"], "network": "backend"})(raw)


LOGIN = {"login": True, "on": ["web"], "verified": SEEN}
ON_BACKEND = {"port": 8001, "network": "backend"}
INNER = [{"name": "backend", "interface": "eth1", "address": "10.0.0.14"}]
CASES: list[tuple[Callable[[Any], None], str, str, str]] = [
    (set_in(alice, untill="2027-01-01"), "person alice", "untill", "did you mean until?"),
    (set_in(alice, keys="x"), "person alice", "keys", "write a list"),
    (set_in(alice, until="2027-02-30"), "person alice", "until", "date that exists"),
    (lambda raw: alice(raw).pop("until"), "person alice", "until", "add it"),
    (set_in(alice, name="Alice"), "person Alice", "name", "small letter"),
    (set_in(alice, name="alice\n"), "person alice ", "name", "small letter"),
    (set_in(alice, name="docker"), "person docker", "name", "uses this name itself"),
    (set_in(alice, name="systemd-oom"), "person systemd-oom", "name", "uses this name itself"),
    (set_in(ci, name="holdfast-ci"), "person holdfast-ci", "name", "uses this name itself"),
    (set_in(alice, sudo="pasword"), "person alice", "sudo", "did you mean password?"),
    (lambda raw: alice(raw).pop("sudo"), "person alice", "sudo", "password"),
    (lambda raw: key(raw).pop("verified"), "person alice", "keys[a].verified", "write verified"),
    (set_in(key, verified={"by": "alice", "on": "2026-11-02"}), "person alice", "keys[a].verified.by", "another"),
    (set_in(key, verified={"by": "zoe", "on": "2026-11-02"}), "person alice", "keys[a].verified.by", "unknown"),
    (set_in(key, verified={"by": "ci", "on": "2026-11-02"}), "person alice", "keys[a].verified.by", "automation"),
    (set_in(key, verified={"by": "bob", "on": "2026-12-02"}), "person alice", "keys[a].verified.on", "future"),
    (set_in(right, verified={"by": "bob", "on": "2026-12-02"}), "person alice", "rights[admin].verified.on", "future"),
    (set_in(lambda raw: raw["people"][1], until="2026-10-01"), "person alice", "keys[a].verified.on", "had ended"),
    (set_in(key, key=rsa(2048)), "person alice", "keys[a].key", "3072"),
    (set_in(key, key="ssh-dss AAAAB3NzaC1kc3M="), "person alice", "keys[a].key", "Ed25519"),
    (set_in(key, key="ssh-ed25519 AAAA*"), "person alice", "keys[a].key", "whole line"),
    (set_in(key, key=ed25519(2)), "person bob", "key", "of its own"),
    (set_in(key, key=ed25519(1).replace("ssh-ed25519 ", "ssh-rsa ")), "person alice", "keys[a].key", "whole line"),
    (set_in(alice, factors="fido2"), "person alice", "keys[a].key", "security key"),
    (set_in(right, login=True), "person alice", "rights[1]", "exactly one"),
    (set_in(right, on=["wbe"]), "person alice", "rights[1].on", "did you mean web?"),
    (set_in(alice, **{"from": ["198.51.100.7/24"]}), "person alice", "from[1]", "198.51.100.0/24"),
    (set_in(alice, until="2026-11-30"), "host web1", "admin", "key and an end in the future"),
    (set_in(alice, owner="bob"), "person alice", "owner", "automation"),
    (lambda raw: ci(raw).pop("owner"), "automation ci", "owner", "answers"),
    (set_in(ci, owner="zoe"), "person ci", "owner", "declared person"),
    (set_in(lambda raw: ci(raw)["rights"][0], deploy=["blg"]), "person ci", "rights[1].deploy", "did you mean blog?"),
    (lambda raw: ci(raw)["rights"].append(dict(LOGIN)), "automation ci", "from", "deploy alone"),
    (lambda raw: raw["people"].append(dict(alice(raw))), "people", "name", "one entry"),
    (lambda raw: raw["services"].append(dict(blog(raw))), "services", "name", "one entry"),
    (set_in(blog, on=["webb"]), "service blog", "on", "did you mean web?"),
    (set_in(listener, port=0), "service blog", "listen[1].port", "1 to 65535"),
    (set_in(listener, port="8001"), "service blog", "listen[1].port", "without quotes"),
    (set_in(listener, network="backend2"), "service blog", "listen[port 8001].network", "one of: backend, public"),
    (set_in(listener, **{"from": ["10.0.0.1/8"]}), "service blog", "listen[1].from[1]", "network such as"),
    (add_service(listen=[dict(ON_BACKEND)]), "service other", "listen[port 8001].port", "belongs to service blog"),
    (add_service(listen=[{"port": 8001}]), "service other", "listen[port 8001].port", "service blog has it on backend"),
    (set_in(blog, listen=[dict(ON_BACKEND), {"port": 8001}]), "service blog", "listen[port 8001].port", "it once"),
    (parts(8001), "service other", "run.web.port", "on web1 this one belongs to service blog"),
    (parts(8010, 8010), "service other", "run.web2.port", "on web1 this one belongs to service other (run.web.port)"),
    (parts(22), "service other", "run.web.port", "belongs to SSH"),
    (add_service(listen=[{"port": 22}]), "service other", "listen[port 22].port", "belongs to SSH"),
    (add_service(on=["lb1"], listen=[{"port": 443}]), "service other", "listen[port 443].port", "web server"),
    (add_service(egress=[{"to": "dbb1", "port": 5432}]), "service other", "egress[1].to", "did you mean db1?"),
    (add_service(egress=[{"to": "1.2.3", "port": 443}]), "service other", "egress[1].to", "with a dot"),
    (add_service(egress=[{"to": "10.0.0.1/8", "port": 1}]), "service other", "egress[1].to", "a network such as"),
    (add_service(egress=[{"to": "0.0.0.0/0", "port": 443}]), "service other", "egress[1].to", "or any"),
    (add_service(egress=[{"to": "127.0.0.1", "port": 9200}]), "service other", "egress[1].to", "name the service"),
    (add_service(egress=[{"to": "169.254.169.254", "port": 80}]), "service other", "egress[1].to", "closed to every"),
    (add_service(egress=[{"to": "dns", "port": 53}]), "service other", "egress[1].to", "does not run on web1"),
    (add_service(name="web", egress=[{"to": "web", "port": 1}]), "service web", "egress[1].to", "rename one"),
    (database_without_address, "service other", "database.network", "no address on backend"),
    (destination_without_address, "service other", "egress[1].to", "no address to let out to"),
    (whole(policy={"base": {"resolvers": ["::1", "::2", "::3", "::4"]}}), "policy", "base.resolvers", "three at most"),
    (whole(policy={"dns": {"resolvers": ["dns.example"]}}), "policy", "dns.resolvers[1]", "without a prefix length"),
    (set_in(host("web1"), address="203.0.113.300"), "host web1", "host.address", "IPv4 address"),
    (set_in(host("web1"), address="203.0.113.15"), "host web2", "host.address", "web1 has the same"),
    (set_in(host("web1"), ssh={"jump": "web1"}), "host web1", "host.ssh.jump", "without this one"),
    (set_in(host("web1"), ssh={"jump": "web3"}), "host web1", "host.ssh.jump", "did you mean web"),
    (set_in(host("bastion"), ssh={"jump": "db1"}), "host db1", "host.ssh.jump", "without this one"),
    (windows(web1="Sun 03:00", web2="Sat,Sun 03:59"), "host web2", "host.window", "web1 of the group web has Sun"),
    (windows(web1="Sun 23:30", web2="Mon 00:15"), "host web2", "host.window", "choose another time"),
    (windows(web1="Mon..Wed,Fri 02:30", web2="Sun,Thu..Sat 02:00"), "host web2", "host.window", "has Mon..Wed,Fri"),
    (windows(web1="Sun 03:00", web2="04:00", lb1="Mon..Wed..Fri 02:30"), "host lb1", "host.window.at", "Mon..Wed,Fri"),
    (windows(web1="Fri..Mon 02:30"), "host web1", "host.window.at", "the week's end: write Fri,Sat,Sun,Mon"),
    (windows(web1="Sun 03:00", web2="Sat..Mon 03:59"), "host web2", "host.window.at", "write Sat,Sun,Mon"),
    (windows(web1="Sun 03:00", web2="Sat..Mon 03:59"), "host web2", "host.window", "web1 of the group web has Sun"),
    (windows(web1="Sunday 03:00"), "host web1", "host.window.at", "days and a time"),
    (set_in(host("web1"), forwards="router", networks=[]), "host web1", "host.forwards", "private network's card"),
    (set_in(host("web1"), ssh={"host_key": rsa(2048)}), "host web1", "host.ssh.host_key", "3072"),
    (set_in(host("web1"), ssh={"jump": "lb1"}), "operator", "rights", "jump: true"),
    (lambda raw: host("web1")(raw).pop("console"), "host web1", "host.console", "console: none"),
    (set_in(host("web1"), console="bob"), "host web1", "host.console", "admin right"),
    (set_in(host("web1"), console="root"), "host web1", "host.console", "break-glass"),
    (set_in(host("web1"), console="backup"), "host web1", "host.console", "break-glass"),
    (set_in(host("web1"), console="holdfast-in"), "host web1", "host.console", "break-glass"),
    (whole(policy={"access": {"keep_accounts": ["rescue"]}}), "host web1", "host.console", "break-glass"),
    (lambda raw: raw["variables"]["web1"].append("ansible_host"), "host web1", "ansible_host", "host.address"),
    (lambda raw: raw["variables"]["web1"].append("ansible_ssh_args"), "host web1", "ansible_ssh_args", "host.ssh.jump"),
    (whole(policy={"guard": {"seconds": 55}}), "policy", "guard.seconds", "more than 55"),
    (whole(policy={"acces": {}}), "policy", "acces", "did you mean access?"),
    (backup("/etc/../root"), "policy", "backup.paths[1].path", "absolute path"),
    (backup("/etc/a:b"), "policy", "backup.paths[1].path", "absolute path"),
    (backup("/proc/sys"), "policy", "backup.paths", "on a disk"),
    (backup("/var", repository={"url": "/var/backup"}), "policy", "backup.paths", "move one of them"),
    (backup("/etc", repository={"url": "/mnt/b"}), "vault", "backup.password", "or remove policy.backup"),
    (backup(paths=[{"path": "/etc", "on": ["wbe"]}]), "policy", "backup.paths[1].on", "did you mean web?"),
    (set_in(blog, backup={"paths": ["a/../../b"]}), "service blog", "backup.paths", "without `.`"),
    (backup(repository=SFTP), "policy", "backup.repository.host_key", "ssh-keyscan"),
    (backup(repository={"url": "nas:/b"}), "policy", "backup.repository.url", "sftp://USER@SERVER/PATH"),
    (backup(keep={"daily": "2w"}), "policy", "backup.keep.daily", "14d"),
    (whole(policy={"health": {"disk": {"warn": 95, "fail": 90}}}), "policy", "health.disk", "before it fails"),
    (whole(policy={"health": {"certificate_days": LEFT}}), "policy", "health.certificate_days", "not above"),
    (whole(people=[]), "operator", "operator", "say who you are"),
    (whole(people="x"), "people", "", "write a list"),
    (whole(hosts={}), "inventory", "hosts", "at least one"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "entry", "where", "fix"), CASES, ids=[f"{entry} {where} {fix}" for _, entry, where, fix in CASES]
)
def test_a_mistake_is_named(
    raw: dict[str, Any], spoil: Callable[[Any], None], entry: str, where: str, fix: str
) -> None:
    spoil(raw)
    found = mistakes(raw)
    assert [item for item in found if item["entry"] == entry and item["key"] == where and fix in item["fix"]], found
    assert all(
        set(item) == {"level", "entry", "key", "value", "fix"} and all(isinstance(v, str) for v in item.values())
        for item in found
    )


@pytest.mark.parametrize("name", ["crontab", "docker", "input", "kmem", "kvm", "nobody", "operator"])
def test_nobody_gets_the_rights_of_a_group_by_a_name(raw: dict[str, Any], name: str) -> None:
    """A person or a console account of a group's name would have that group as the primary one."""
    alice(raw)["name"] = name
    raw["hosts"]["web1"]["console"] = name
    found = {(item["entry"], item["key"]) for item in mistakes(raw)}
    assert {(f"person {name}", "name"), ("host web1", "host.console")} <= found


def test_a_port_may_be_declared_again_where_the_other_opens_nothing(raw: dict[str, Any]) -> None:
    for inner in ("web1", "web2"):
        raw["hosts"][inner]["networks"].append({"name": "vpn", "interface": "wg0"})
    blog(raw)["listen"].append({"port": 8001, "network": "vpn"})
    add_service(listen=[{"port": 8001, "proto": "udp"}])(raw)
    add_service(name="far", on=["db1"], listen=[{"port": 8001}])(raw)
    assert mistakes(raw) == []


def test_the_port_of_a_part_is_opened_by_its_own_service_alone(raw: dict[str, Any]) -> None:
    blog(raw).update(release={"path": "dist"}, run={"web": {"exec": "serve", "port": 8001}})
    parts(8001, name="far")(raw)
    raw["services"][-1]["on"] = ["db1"]
    assert mistakes(raw) == []
    parts(8001)(raw)
    raw["services"][-1]["listen"] = [dict(ON_BACKEND)]
    assert [(item["entry"], item["key"], item["value"], item["fix"]) for item in mistakes(raw)] == [
        (
            "service other",
            "run.web.port",
            "8001",
            "choose another port: on web1 this one belongs to service blog",
        )
    ]
    del raw["services"][-1]["run"], raw["services"][-1]["release"]
    assert [(item["entry"], item["key"]) for item in mistakes(raw)] == [("service other", "listen[port 8001].port")]


def test_one_misspelled_key_hides_nothing_else(raw: dict[str, Any]) -> None:
    alice(raw)["form"] = "any"
    key(raw)["key"] = rsa(1024)
    listener(raw)["prto"] = "tcp"
    assert {(item["entry"], item["key"]) for item in mistakes(raw)} == {
        ("person alice", "form"), ("person alice", "keys[a].key"), ("service blog", "listen[1].prto")}  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "entry", "where"),
    [
        (set_in(alice, sudo="nopasswd"), "person alice", "sudo"),
        (set_in(alice, **{"from": "any"}), "person alice", "from"),
        (set_in(lambda raw: raw["people"][1], until="2026-11-30"), "person bob", "until"),
        (set_in(alice, until="2026-12-20"), "host web1", "admin"),
        (set_in(host("web1"), console="none"), "host web1", "host.console"),
        (windows(web2="Sun 03:00"), "host web1", "host.window"),
        (set_in(host("web1"), forwards="router", networks=INNER), "host web1", "host.networks"),
        (set_in(host("web1"), forwards="wireguard", networks=INNER), "host web1", "host.networks"),
        (backup("/etc"), "policy", "backup.repository"),
        (backup(repository={"url": "/mnt/disk2"}), "vault", "backup.password"),
        (backup(repository={"url": "/mnt/disk2"}), "policy", "backup.repository.url"),
        (set_in(blog, backup={"database": True}), "service blog", "backup.database"),
    ],
)
def test_what_is_legal_but_weak_is_warned_of(
    raw: dict[str, Any], spoil: Callable[[Any], None], entry: str, where: str
) -> None:
    spoil(raw)
    assert mistakes(raw) == []
    assert (entry, where) in {(item["entry"], item["key"]) for item in warnings(raw)}


def test_a_host_with_a_window_is_not_warned_of(raw: dict[str, Any]) -> None:
    windows(web1="Sun 03:00")(raw)
    found = {item["entry"]: item["fix"] for item in warnings(raw) if item["key"] == "host.window"}
    assert sorted(found) == ["host bastion", "host db1", "host lb1", "host web2"]
    assert 'such as window: {at: "Sun 03:00", minutes: 60}' in found["host db1"]


def test_a_lone_founder_is_verified_from_outside(raw: dict[str, Any]) -> None:
    seen = {"by": "margaret", "on": "2026-11-02"}
    keys = [dict(key(raw), verified=seen)]
    rights = [{"admin": True, "on": ["all"], "verified": seen}, {"jump": True, "on": ["bastion"], "verified": seen}]
    raw["people"] = [dict(alice(raw), keys=keys, rights=rights)]
    assert [item["key"] for item in mistakes(raw)] == [
        "keys[a].verified.by",
        "rights[admin].verified.by",
        "rights[jump].verified.by",
    ]
    raw["policy"] = {"access": {"verifiers": ["margaret"]}}
    assert mistakes(raw) == []


@pytest.mark.parametrize(
    "value",
    ["$1$salt$hunter2hunter2", "hunter2", "$5$salt$abc", "$6$short", "", 5, ["hunter2"], {"hunter2": 1}, None, "!"],
)
def test_a_weak_password_hash_is_named_and_never_shown(raw: dict[str, Any], value: Any) -> None:
    found = mistakes(raw, hashes={**HASHES, "alice": value})
    assert [(item["entry"], item["key"]) for item in found] == [("person alice", "vault.password_hashes.alice")]
    assert "hunter2" not in str(found)


def test_a_missing_password_hash_is_a_mistake(raw: dict[str, Any]) -> None:
    assert {item["key"] for item in mistakes(raw, hashes={})} == {
        "vault.password_hashes.alice",
        "vault.password_hashes.rescue",
    }
    assert "hunter2" not in str(findings(raw, hashes={**HASHES, "hunter2": "x"}))


def test_a_private_key_is_never_shown(raw: dict[str, Any]) -> None:
    key(raw)["key"] = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"
    assert mistakes(raw)
    assert "hunter2" not in str(findings(raw))


def test_the_operator_must_be_admin_on_the_hosts_of_the_run(raw: dict[str, Any]) -> None:
    right(raw)["on"] = ["web"]
    assert not [item for item in mistakes(raw, hosts=["web1"]) if item["entry"] == "operator"]
    assert [item["value"] for item in mistakes(raw, hosts=["web1", "lb1"]) if item["entry"] == "operator"] == [
        "alice on lb1"
    ]
    assert [item["value"] for item in mistakes(raw, operator="zoe") if item["entry"] == "operator"] == ["zoe"]


@pytest.mark.parametrize(
    "password", ["restic-web1-2026", "P@ssw0rd12345678", "abc" * 9, "x" * 40, "web1 blog backup 1999", 16, "é\n"]
)
def test_a_weak_password_of_the_backups_is_refused(raw: dict[str, Any], password: Any) -> None:
    found = mistakes(raw, secrets={"password": password})
    assert [item["key"] for item in found] == ["backup.password"]
    assert str(password) not in str(found)


@pytest.mark.parametrize("password", ["correct horse battery staple", "d6kPZ0wqYv1xRt8mJcNf"])
def test_a_good_password_of_the_backups_is_taken(raw: dict[str, Any], password: str) -> None:
    assert mistakes(raw, secrets={"password": password}) == []


@pytest.mark.parametrize("address", ["203.0.113.11", "203.0.113.99"])
def test_a_jump_host_has_two_addresses_while_it_moves(raw: dict[str, Any], address: str) -> None:
    """As docs/how-to/ssh.md says: before and after the move, the host behind it lets in both."""
    both = ["203.0.113.11", "203.0.113.99"]
    before = FILTERS["network_mistakes"](FILTERS["catalogue"](raw, SCHEMA))
    raw["hosts"]["bastion"].update(address=address)
    raw["hosts"]["bastion"]["networks"][0]["address"] = both
    next(person for person in raw["people"] if person["name"] == "alice")["from"] = ["198.51.100.0/24"]
    assert [one for one in FILTERS["data_mistakes"](raw, SCHEMA) if one["level"] == "mistake"] == []
    cat = FILTERS["catalogue"](raw, SCHEMA)
    assert FILTERS["network_mistakes"](cat) == before
    assert {f"{one}/32" for one in both} <= set(FILTERS["ssh_sources"](cat, "db1"))
    (lines,) = [one["lines"] for one in FILTERS["authorized_keys"](cat, "db1", TODAY) if one["name"] == "alice"]
    for one in both:
        assert f"{one}/32" in lines[0]
        contact = {"source_address": one, "key_fingerprint": None}
        assert not any(
            "you come from" in said for said in FILTERS["door_mistakes"](cat, "db1", "alice", contact, TODAY)
        )
