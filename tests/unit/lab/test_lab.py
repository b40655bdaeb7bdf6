"""The lab without an engine: what it reads, chooses and writes."""

from __future__ import annotations

import datetime
import ipaddress
import json
import stat
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from passlib.hash import sha512_crypt

from lab import bench, bootstrap, check, hosts, images, inventory, plan, play
from lab.engine import Engine, choose
from lab.hosts import Lab
from lab.progress import LabError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Machine:
    """A host without a container."""

    name: str
    address: str
    networks: dict[str, str]


class FakeEngine(Engine):
    """Answers from a list and records what it was asked."""

    asked: list[tuple[str, ...]]
    answers: list[tuple[int, str, str]]

    def run(self, *args: str, check: bool = True, timeout: float = 60, stdin: bytes | None = None) -> Any:
        """Record the call, give the next answer."""
        del check, timeout, stdin
        self.asked.append(args)
        code, out, err = self.answers.pop(0) if self.answers else (0, "", "")
        return subprocess.CompletedProcess(args, code, out, err)


def fake(kind: str, *answers: tuple[int, str, str]) -> FakeEngine:
    engine = FakeEngine(kind)
    object.__setattr__(engine, "asked", [])
    object.__setattr__(engine, "answers", list(answers))
    return engine


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sources.list",
            (
                "# deb http://no.example/debian bookworm main\n"
                "deb [signed-by=/k] http://m.example/debian bookworm main\n"
                "deb http://m.example/security/ bookworm-security main contrib\ndeb https://x.example/apt stable main\n"
            ),
        ),
        (
            "sources.list.d/debian.sources",
            (
                "Types: deb\nURIs: http://m.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n"
                "Types: deb\nURIs: http://m.example/security/\nSuites: trixie-security\nComponents: main\n\n"
                "Types: deb\nURIs: http://off.example/\nSuites: sid\nEnabled: no\nComponents: main\n"
            ),
        ),
    ],
)
def test_the_mirror_is_read_from_both_forms_of_apt_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.delenv("HOLDFAST_MIRROR", raising=False)
    monkeypatch.delenv("HOLDFAST_SECURITY_MIRROR", raising=False)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert bootstrap.mirrors(tmp_path) == ("http://m.example/debian", "http://m.example/security")


def test_no_sources_is_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_MIRROR", raising=False)
    assert bootstrap.mirrors(tmp_path)[0] == ""


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(LabError, match="bookworm and trixie"):
        images.bare("buster", fake("docker"))


def test_hosts_of_a_plan_swap_their_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"name": "a", "release": "bookworm"}, {"name": "b", "release": "trixie"}, {"name": "c"}]
    monkeypatch.delenv(images.SWAP, raising=False)
    assert [plan.release_of(entry) for entry in entries] == ["bookworm", "trixie", "trixie"]
    monkeypatch.setenv(images.SWAP, "1")
    assert [plan.release_of(entry) for entry in entries] == ["trixie", "bookworm", "bookworm"]
    assert plan.release_of({"name": "d", "release": "buster"}) == "buster", "which is refused by its name"


def test_the_recipe_differs_by_release() -> None:
    assert images.recipe_hash("bookworm") != images.recipe_hash("trixie")


def test_the_engine_can_be_chosen() -> None:
    assert choose({}) == ["docker", "podman"]
    assert choose({"HOLDFAST_ENGINE": "podman"}) == ["podman"]
    with pytest.raises(LabError, match="docker or podman"):
        choose({"HOLDFAST_ENGINE": "lxc"})


def test_a_client_carries_its_environment() -> None:
    assert Engine("podman", (("CONTAINERS_CONF", "/c"),)).command == ["env", "CONTAINERS_CONF=/c", "podman"]
    assert Engine("docker").command == ["docker"]


def test_a_failing_command_says_what_it_was() -> None:
    with pytest.raises(LabError, match="is not installed"):
        Engine("no-such-engine").run("version")


def test_a_lab_name_is_checked() -> None:
    with pytest.raises(LabError, match="lower-case"):
        Lab("Mixed Case", engine=fake("docker"))


def test_a_clashing_network_is_made_elsewhere(tmp_path: Path) -> None:
    found = json.dumps([{"IPAM": {"Config": [{"Subnet": "10.9.8.0/24"}, {"Subnet": "fd00:1::/64"}]}}])
    engine = fake("docker", (1, "", ""), (1, "", "Pool overlaps with other one"), (0, "id", ""), (0, found, ""))
    v4, v6 = Lab("x", directory=tmp_path, engine=engine).network()
    assert (v4, v6) == (ipaddress.ip_network("10.9.8.0/24"), ipaddress.ip_network("fd00:1::/64"))
    created = [call for call in engine.asked if call[:2] == ("network", "create")]
    assert len(created) == 2
    assert created[0][5] != created[1][5]
    assert all("holdfast.lab=x" in call for call in created)


def test_without_ipv6_the_network_is_ipv4_only(tmp_path: Path) -> None:
    found = json.dumps([{"IPAM": {"Config": [{"Subnet": "10.9.8.0/24"}]}}])
    engine = fake("docker", (1, "", ""), (1, "", "IPv6 is not supported"), (0, "id", ""), (0, found, ""))
    assert Lab("x", directory=tmp_path, engine=engine).network()[1] is None


@pytest.mark.parametrize(("switch", "families"), [("0", 2), ("1", 1), (None, 1)])
def test_podman_is_not_asked_for_ipv6_where_the_kernel_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str | None, families: int
) -> None:
    if switch:
        (tmp_path / "switch").write_text(switch)
    monkeypatch.setattr(hosts, "_new_links_have_ipv6", partial(hosts._new_links_have_ipv6, tmp_path / "switch"))
    found = json.dumps([{"subnets": [{"subnet": "10.9.8.0/24"}]}])
    engine = fake("podman", (1, "", ""), (0, "id", ""), (0, found, ""))
    Lab("x", directory=tmp_path, engine=engine).network()
    created = next(call for call in engine.asked if call[:2] == ("network", "create"))
    assert created.count("--subnet") == families
    assert ("--ipv6" in created) is (families == 2)


def test_the_inventory_is_complete_private_and_new_each_time(tmp_path: Path) -> None:
    machines = [Machine("a", "10.0.0.2", {"public": "10.0.0.2", "backend": "10.1.0.2"}), Machine("b", "10.0.0.3", {})]
    today = datetime.date(2026, 11, 24)
    one = inventory.write(tmp_path / "i", machines, today=today)
    two = inventory.write(tmp_path / "i", machines, today=today)
    assert set(one.secrets.values()).isdisjoint(two.secrets.values())
    assert one.keys == two.keys

    def load(name: str) -> Any:
        return yaml.safe_load((tmp_path / "i" / name).read_text())

    people = {person["name"]: person for person in load("group_vars/all/people.yml")["people"]}
    assert set(people) == {"oper", "alice", "bob", "expired", "ci-blog"}
    assert people["expired"]["until"] == "2026-11-23"
    assert people["oper"]["sudo"] == "nopasswd"
    assert all(key["verified"]["by"] != name for name, person in people.items() for key in person["keys"])
    hashes = load("group_vars/all/vault.yml")["vault"]["password_hashes"]
    assert sha512_crypt.verify(two.secrets["alice_password"], hashes["alice"])
    assert sha512_crypt.verify(two.secrets["rescue_password"], hashes["rescue"])
    assert load("host_vars/a.yml")["host"]["networks"][1] == {
        "name": "backend",
        "interface": "eth1",
        "address": "10.1.0.2",
    }
    assert json.loads((tmp_path / "i/secrets.json").read_text()) == two.secrets
    for name in ("secrets.json", "group_vars/all/vault.yml", "keys/oper"):
        assert stat.S_IMODE((tmp_path / "i" / name).stat().st_mode) == 0o600


def test_changes_are_counted_in_the_recap_alone() -> None:
    text = "changed=9\nPLAY RECAP ***\na : ok=3 changed=2 failed=0\nb : ok=3 changed=1 failed=0\n"
    assert play.changed_in(text) == 3
    assert play.changed_in("fatal: changed=1") == 0


def test_the_bench_page_judges_each_bound() -> None:
    values: dict[str, Any] = {
        "calls": 5,
        "pings": 3.25,
        "scaling": 2,
        "ping": 1,
        "one": 3.25,
        "eight": 6.5,
        "first": 30,
        "others": 50,
    }
    tasks = {"base : Install": 9.0, "guard : Commit": 2.5, "base : Put": 1.0, "Say what": 0.1}
    values |= {"service": 0.04, "roles": bench.by_role(tasks)}
    text = bench.page({"trixie": values, "bookworm": {**values, "scaling": 3.04}}, datetime.date(2026, 11, 24))
    assert "2026-11-24" in text
    assert "| trixie | 5 | 3.25 | 2.00 | 1.00 | 3.25 | 6.50 | 0.04 |" in text
    assert "| bound | trixie | bookworm |\n|---|---|---|\n" in text
    assert "| at most 20 remote calls of a host | 5.00: met | 5.00: met |" in text
    assert "| at most 3 times from 1 to 8 hosts | 2.00: met | 3.04: not met |" in text
    assert "| at most 0.2 s for each further service | 0.04: met | 0.04: met |" in text
    assert (bench.verdict(3, 3), bench.verdict(3.001, 3)) == ("met", "not met")
    assert "| trixie | 30 | 50 | base 10.0, guard 2.5, the plays themselves 0.1 |" in text


def test_every_stage_counts_and_the_last_line_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = "echo '2 failed, 5 passed, 1 skipped in 1s'"
    made = [
        check.Stage("good", ["sh", "-c", "exit 0"]),
        check.Stage("bad", ["sh", "-c", "echo one; echo two; echo three; echo four; exit 3"]),
        check.Stage("tests", ["sh", "-c", f"echo 'FAILED a.py::b - why'; {counts}; exit 1"], pytest=True),
        check.Stage("crashed", ["sh", "-c", "echo no counts; exit 4"], pytest=True),
    ]
    monkeypatch.setattr(check, "stages", lambda _: made)
    assert check.run("all") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "6 passed, 4 failed, 1 skipped"
    # A log of which only the end is kept still tells what failed.
    assert lines[-5:-1] == ["bad | two", "bad | three", "bad | four", "tests | FAILED a.py::b - why"]


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(LabError, match="lint, unit, vm, all and full"):
        check.stages("everything")


def test_an_inventory_of_somebodys_own_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {}\n", encoding="utf-8")
    with pytest.raises(LabError, match="no lab has written"):
        inventory.write(tmp_path, [])
    assert (tmp_path / "hosts.yml").read_text(encoding="utf-8") == "all: {}\n"
    inventory.write(tmp_path / "new", [])
    inventory.write(tmp_path / "new", [])
