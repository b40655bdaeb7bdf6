"""What the filters make of an environment: right, sorted, and independent of the order in which it was written."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.filters.support import FILTERS, ROOT, SCHEMA, TODAY, ed25519, good

if TYPE_CHECKING:
    import random

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "on", "keys", "x"]) | st.booleans(), inner, max_size=3)
    ),
    max_leaves=12,
)
PER_HOST = {
    "accounts": (TODAY,),
    "authorized_keys": (TODAY,),
    "ended_accounts": (TODAY,),
    "ssh_forwarding": (TODAY,),
    "firewall_rules": (),
    "host_services": ({"blog": {"id": "0f1e", "path": "/builds/blog"}},),
    "backup_sources": (),
    "egress_rules": (),
}
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def catalogue(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = FILTERS["catalogue"](raw, SCHEMA)
    return found


def run(name: str, raw: Any, *arguments: Any) -> Any:
    return FILTERS[name](catalogue(raw), *arguments)


def shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: shuffled(value[key], dice) for key in keys}
    if isinstance(value, list):
        items = [shuffled(item, dice) for item in value]
        dice.shuffle(items)
        return items
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))] if path else [
        place for key, item in inner for place in places(item, (key,))]  # fmt: skip


def every_mistake(raw: Any) -> list[dict[str, str]]:
    cat = FILTERS["catalogue"](raw, SCHEMA, tolerant=True)
    json.dumps(cat)
    found: list[dict[str, str]] = FILTERS["data_mistakes"](raw, SCHEMA) + FILTERS["name_mistakes"](raw)
    found += FILTERS["key_mistakes"](cat) + FILTERS["people_mistakes"](cat, TODAY) + FILTERS["network_mistakes"](cat)
    found += FILTERS["egress_mistakes"](cat)
    found += FILTERS["admin_mistakes"](cat, TODAY, "alice", ["web1"]) + FILTERS["password_mistakes"](cat, {}, TODAY)
    found += FILTERS["calendar_mistakes"](cat) + FILTERS["window_mistakes"](cat)
    found += FILTERS["service_mistakes"](cat, raw)
    found += FILTERS["backup_mistakes"](cat, {}) + FILTERS["health_mistakes"](cat)
    assert FILTERS["mistakes_text"](found, "mistake") is not None
    return found


@SLOW
@given(st.randoms(use_true_random=False))
def test_the_order_in_the_inventory_does_not_matter(dice: random.Random) -> None:
    raw = shuffled(good(), dice)
    assert catalogue(raw)["people"] == catalogue(good())["people"]
    for name, arguments in PER_HOST.items():
        for host in good()["hosts"]:
            assert run(name, raw, host, *arguments) == run(name, good(), host, *arguments)


@SLOW
@given(ANYTHING)
def test_nothing_raises_on_arbitrary_data(value: Any) -> None:
    for raw in (
        value,
        {"people": value},
        {"services": [value]},
        {"policy": value},
        {"hosts": {"a": value}},
        {"groups": value},
        {"hosts": value},
    ):
        every_mistake(raw)


@SLOW
@given(st.data())
def test_nothing_raises_when_one_place_is_spoiled(data: st.DataObject) -> None:
    raw = good()
    place = data.draw(st.sampled_from(places({key: raw[key] for key in ("people", "services", "hosts")})))
    holder: Any = raw
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = data.draw(ANYTHING)
    malformed = bool(FILTERS["data_mistakes"](raw, SCHEMA))
    found = every_mistake(raw)
    # What preflight lets pass, the strict catalogue and all other filters take too.
    if any(item["level"] == "mistake" for item in found):
        if malformed and raw["hosts"]:
            with pytest.raises(AnsibleFilterError):
                catalogue(raw)
        return
    for name, arguments in PER_HOST.items():
        for host in raw["hosts"]:
            assert isinstance(run(name, raw, host, *arguments), list)


HOSTS_OF_PARTS = st.lists(st.sampled_from(["db1", "web1", "web2"]), min_size=1, max_size=2, unique=True)
PORTS_OF_PARTS = st.lists(st.integers(8010, 8013) | st.none(), min_size=1, max_size=2)


@SLOW
@given(st.lists(st.tuples(HOSTS_OF_PARTS, PORTS_OF_PARTS, st.booleans()), min_size=1, max_size=3))
def test_no_port_of_a_host_is_held_by_two_parts(services: list[tuple[list[str], list[int | None], bool]]) -> None:
    """Each part that comes after another of its port is named and nothing else is, be the port public or not."""
    raw, seen, wanted = good(), dict[tuple[str, int], str](), set[tuple[str, str, str]]()
    for number, (hosts, ports, public) in enumerate(services):
        run = {f"p{place}": {"exec": "x", **({"port": port} if port else {})} for place, port in enumerate(ports)}
        listen = [{"port": port} for port in sorted({port for port in ports if port})] if public else []
        service = {"name": f"s{number}", "on": hosts, "release": {"path": "x"}, "run": run, "listen": listen}
        raw["services"].append(service)
        for place, port in enumerate(ports):
            for host in hosts if port else []:
                other = seen.setdefault((host, port or 0), f"s{number} p{place}")
                if other != f"s{number} p{place}":
                    wanted.add((f"service s{number}", f"run.p{place}.port", f"{host} {other.partition(' ')[0]}"))
    found = {
        (item["entry"], item["key"], f"{words[words.index('on') + 1]} {words[words.index('service') + 1]}")
        for item in every_mistake(raw)
        if item["level"] == "mistake" and "port" in item["key"] and (words := item["fix"].split())
    }
    assert found == wanted


def test_yaml_reads_on_as_true_and_days_as_dates() -> None:
    raw = good()
    right = raw["people"][0]["rights"][0]
    right[True] = right.pop("on")
    raw["people"][0]["until"] = date(2027, 6, 30)
    assert catalogue(raw) == catalogue(good())


def test_an_automation_ends_with_its_owner() -> None:
    assert next(person for person in catalogue(good())["people"] if person["name"] == "ci")["until"] == "2027-06-30"


def test_accounts() -> None:
    raw = good()
    found = [(a["name"], a["kind"], a["sudo"], a["password"]) for a in run("accounts", raw, "web1", TODAY)]
    assert found == [
        ("alice", "person", "password", True),
        ("ci", "automation", None, False),
        ("rescue", "console", "password", True),
    ]
    assert "holdfast-ssh" not in run("accounts", raw, "web1", TODAY)[2]["groups"]
    assert [a["name"] for a in run("accounts", raw, "web1", "2027-06-30")] == ["alice", "ci", "rescue"]
    assert [a["name"] for a in run("accounts", raw, "web1", "2027-07-01")] == ["rescue"]
    assert run("accounts", raw, "web1", TODAY)[0]["groups"] == ["holdfast-admin", "holdfast-ssh"]
    alice = next(person for person in raw["people"] if person["name"] == "alice")
    alice["sudo"] = "nopasswd"
    assert "holdfast-nopasswd" in run("accounts", raw, "web1", TODAY)[0]["groups"]


def test_ended_accounts() -> None:
    assert run("ended_accounts", good(), "web1", TODAY) == []
    assert run("ended_accounts", good(), "web1", "2027-07-01") == ["alice", "ci"]


def test_authorized_keys() -> None:
    keys = {item["name"]: item["lines"] for item in run("authorized_keys", good(), "bastion", TODAY)}
    assert keys == {
        "alice": [f'from="198.51.100.0/24",expiry-time="202707010000Z" {ed25519(1)} alice:a'],
        "bob": [f'restrict,port-forwarding,command="/usr/sbin/nologin",expiry-time="202707010000Z" {ed25519(2)} bob:b'],
    }
    assert run("authorized_keys", good(), "web1", TODAY)[1]["lines"][0].startswith(
        'restrict,expiry-time="202707010000Z" '
    )
    # A login over the jump host comes from there.
    assert (
        '"10.0.0.11/32,198.51.100.0/24,203.0.113.11/32,fd00::11/128"'
        in run("authorized_keys", good(), "db1", TODAY)[0]["lines"][0]
    )


def test_forwarding() -> None:
    found = {item["name"]: item["permit_open"] for item in run("ssh_forwarding", good(), "bastion", TODAY)}
    assert {"203.0.113.12:2222", "203.0.113.12:22", "[fd00::12]:2222"} <= set(found["alice"])
    assert {"db1:5432", "10.0.0.12:5432", "[fd00::12]:5432"} <= set(found["bob"])
    assert run("ssh_forwarding", good(), "web1", TODAY) == []


def test_firewall_rules() -> None:
    rule = {"port": 8001, "proto": "tcp", "interface": "eth1", "public": False, "reason": "service blog"}
    assert run("firewall_rules", good(), "web1") == [{**rule, "sources": ["10.0.0.13/32", "fd00::13/128"]}]
    assert [(r["port"], r["proto"], r["interface"], r["sources"]) for r in run("firewall_rules", good(), "lb1")] == [
        (53, "udp", None, []), (80, "tcp", None, []), (443, "tcp", None, [])]  # fmt: skip
    assert run("ssh_sources", good(), "db1") == ["10.0.0.11/32", "203.0.113.11/32", "fd00::11/128"]
    assert run("ssh_sources", good(), "web1") == []


def test_backups() -> None:
    raw = good()
    raw["services"][0]["backup"] = {"paths": ["uploads/", "media"]}
    raw["policy"]["backup"] = {"paths": [{"path": "/etc/nginx", "on": ["edge", "web1"]}]}
    assert run("backup_sources", raw, "web1") == [
        {"path": "/etc/nginx", "reason": "policy.backup.paths"},
        {"path": "/srv/blog/shared/media", "reason": "service blog"},
        {"path": "/srv/blog/shared/uploads", "reason": "service blog"},
    ]
    assert [item["path"] for item in run("backup_sources", raw, "lb1")] == ["/etc/nginx"]
    assert run("backup_repository", raw, "web1") == {}
    raw["policy"]["backup"]["repository"] = {"url": "/mnt/disk2"}
    assert run("backup_repository", raw, "web1") == {
        "url": "/mnt/disk2/web1",
        "path": "/mnt/disk2/web1",
        "server": None,
    }
    raw["policy"]["backup"]["repository"] = {"url": "sftp://me@[fd00::1]:2222/srv/b", "host_key": f"{ed25519(9)} nas"}
    assert run("backup_repository", raw, "web1") == {
        "url": "sftp://me@[fd00::1]:2222//srv/b/web1",
        "path": "/srv/b/web1",
        "server": {"name": "fd00::1", "port": 2222, "user": "me", "known_hosts": f"repository {ed25519(9)}"},
    }


def test_a_source_without_an_address_never_opens_the_port_to_all() -> None:
    raw = good()
    raw["hosts"]["lb1"]["networks"][1].pop("address")
    with pytest.raises(AnsibleFilterError, match="no address on backend"):
        run("firewall_rules", raw, "web1")


def reached(raw: Any, host: str, service: str = "blog") -> list[tuple[Any, ...]]:
    found = next(item for item in run("egress_rules", raw, host) if item["service"] == service)
    return [(rule["kind"], rule["to"], rule["port"], rule["proto"]) for rule in found["rules"]]


def test_egress_rules() -> None:
    raw, blog = good(), ("loopback", "", 8001, "tcp")
    assert [item["service"] for item in run("egress_rules", raw, "lb1")] == ["dns"]
    assert reached(raw, "web1") == [blog], "its own port alone"
    raw["services"].append({"name": "search", "on": ["web"]})
    raw["services"][0]["egress"] = [
        {"to": "web", "port": 9000},
        {"to": "search", "port": 9200, "proto": "udp"},
        {"to": "198.51.100.0/24", "port": 25},
        {"to": "Api.example.net", "port": 443},
        {"to": "any", "port": 123, "proto": "udp"},
    ]
    raw["services"][0]["database"] = {"kind": "postgresql", "on": ["data"], "network": "backend"}
    assert reached(raw, "web1") == [
        blog,
        ("loopback", "", 9000, "tcp"),  # web1 is of the group itself
        ("loopback", "", 9200, "udp"),
        ("network", "0.0.0.0/0", 123, "udp"),
        ("network", "10.0.0.12/32", 5432, "tcp"),
        ("network", "10.0.0.15/32", 9000, "tcp"),
        ("network", "198.51.100.0/24", 25, "tcp"),
        ("network", "203.0.113.15/32", 9000, "tcp"),
        ("network", "::/0", 123, "udp"),
        ("network", "fd00::12/128", 5432, "tcp"),
        ("network", "fd00::15/128", 9000, "tcp"),
        ("name", "api.example.net", 443, "tcp"),
    ]
    assert run("egress_rules", raw, "web1")[0]["names"] == ["api.example.net"]
    assert reached(raw, "web1", "search") == []
    marks = [rule["mark"] for item in run("egress_rules", raw, "web1") for rule in item["rules"]]
    assert len(set(marks)) == len(marks)


def kept_from(raw: Any, host: str) -> dict[str, list[tuple[str, int]]]:
    """Return by service the ports that it may not answer from."""
    found = run("egress_rules", raw, host)
    return {item["service"]: [(one["proto"], one["port"]) for one in item["others"]] for item in found}


def test_a_service_answers_from_no_port_of_another() -> None:
    """Theirs are what they declare, what others declare of them, and where they reach what is no service."""
    raw = good()
    assert kept_from(raw, "web1") == {"blog": []}
    raw["services"] += [
        {"name": "search", "on": ["web"], "listen": [{"port": 9300, "proto": "udp", "network": "backend"}]},
        {
            "name": "shop",
            "on": ["web"],
            "run": {"web": {"exec": "serve", "port": 8002}},
            "release": {"path": "dist"},
            "egress": [{"to": "search", "port": 9200}, {"to": "web1", "port": 25}, {"to": "any", "port": 443}],
        },
    ]
    assert kept_from(raw, "web1") == {
        "blog": [("tcp", 25), ("tcp", 8002), ("tcp", 9200), ("udp", 9300)],
        "search": [("tcp", 25), ("tcp", 8001), ("tcp", 8002)],
        "shop": [("tcp", 8001), ("tcp", 9200), ("udp", 9300)],
    }
    raw["services"][0]["database"] = {"kind": "postgresql", "on": ["web"], "network": "backend"}
    assert ("tcp", 5432) in kept_from(raw, "web1")["search"]
    # Two that declare the same port, on different networks say, both keep it.
    raw["services"][-1]["listen"] = [{"port": 8001, "network": "backend"}]
    found = kept_from(raw, "web1")
    assert ("tcp", 8001) not in found["blog"] + found["shop"]
    assert ("tcp", 8001) in found["search"]


def test_logins_and_operator() -> None:
    assert run("login_candidates", good(), "db1", "alice") == [
        {"user": "alice", "port": 2222},
        {"user": "root", "port": 22},
    ]
    assert [run("choose_operator", good(), *arguments) for arguments in (("zoe", "x"), ("", "alice"), ("", "x"))] == [
        "zoe",
        "alice",
        "alice",
    ]


def test_the_door_is_proved_on_paper() -> None:
    cat = catalogue(good())
    contact = {
        "user": "root",
        "port": 22,
        "key_fingerprint": cat["people"][0]["keys"][0]["fingerprint"],
        "source_address": "198.51.100.7",
    }
    door = FILTERS["door_mistakes"]
    assert door(cat, "web1", "alice", contact, TODAY) == []
    assert "-K" in door(cat, "web1", "alice", contact, TODAY, "none")[0]
    assert "vault.password_hashes.alice" in door(cat, "web1", "alice", contact, TODAY, "wrong")[0]
    assert (
        "admits 198.51.100.0/24 only"
        in door(cat, "web1", "alice", {**contact, "source_address": "192.0.2.1"}, TODAY)[0]
    )
    assert "none of alice's" in door(cat, "web1", "alice", {**contact, "key_fingerprint": "SHA256:x"}, TODAY)[0]
    assert "no admin right" in " ".join(door(cat, "web1", "bob", contact, TODAY))
    assert "ended" in door(cat, "web1", "alice", contact, "2027-07-01")[0]
    assert door(cat, "db1", "alice", {**contact, "source_address": "10.0.0.11"}, TODAY) == []
    assert "host.ssh.sources" in door(cat, "db1", "alice", contact, TODAY)[0]
    assert door(cat, "web1", "zoe", contact, TODAY)


def test_every_filter_is_documented_beside_it() -> None:
    assert {path.stem for path in (ROOT / "filter_plugins").glob("*.yml")} == set(FILTERS)


def test_a_tolerant_reading_of_good_data_leaves_nothing_out() -> None:
    assert FILTERS["catalogue"](good(), SCHEMA, tolerant=True) == catalogue(good())


def test_jump_depths() -> None:
    def cat(**jumps: str | None) -> dict[str, object]:
        return {"hosts": {name: {"ssh": {"jump": jump}} for name, jump in jumps.items()}}

    assert FILTERS["jump_depths"](cat(web1="inner", inner="outer", outer=None)) == {"web1": 2, "inner": 1, "outer": 0}
    assert set(FILTERS["jump_depths"](cat(a="b", b="a")).values()) == {1}
