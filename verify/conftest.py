"""Options, hosts and order of the suite."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from verify.backend import SudoSshBackend
from verify.expected import Catalogue, CatalogueError, Expected
from verify.outside import Outside
from verify.report import Report, remove_old
from verify.secrets import take_passwords
from verify.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES: Final = ("inside", "outside", "refused", "brute force")
"""A promise file's STAGE. What may make the host wary of this address comes last."""
SCANNERS: Final = 2
"""Hosts that are scanned at once. Two keep two cores busy: on such a machine four at once were no faster, and each
more multiplies the packets that the way out has to carry."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options."""
    group = parser.getgroup("holdfast", "verification of hosts")
    group.addoption("--catalogue", metavar="FILE", help="resolved inventory, as the verify playbook writes it")
    group.addoption("--report", metavar="DIR", help="folder for results.json, junit.xml and index.html")
    group.addoption(
        "--outsider",
        metavar="COMMAND",
        default="",
        help="command prefix that runs argv in another network, such as 'docker exec -i NAME'",
    )
    group.addoption("--host", metavar="NAME", action="append", nargs="+", default=[], help="only these hosts")
    group.addoption(
        "--shut-out",
        metavar=("NAME", "REASON"),
        action="append",
        nargs=2,
        default=[],
        help="do not try this host: it is known that it cannot be entered, and why",
    )
    group.addoption("--keys", metavar="DIR", help="private keys by name of person (test hosts only)")
    group.addoption(
        "--brute-force",
        action="store_true",
        help="also knock until the host throttles (test hosts only: it shuts this address out for a while)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the inventory, and refuse to verify nothing.

    Raises:
        pytest.UsageError: an option is missing or names an unknown host, or there is no host.
    """
    if config.option.help or config.option.version:
        return
    for option in ("catalogue", "ssh_config", "report"):
        if not config.getoption(option):
            raise pytest.UsageError(f"--{option.replace('_', '-')} is needed; see docs/how-to/verify.md")
    if not config.option.collectonly:  # from here on: however this run ends, no old page is taken for its result
        remove_old(Path(config.getoption("report")))
    try:
        catalogue = Catalogue.read(Path(config.getoption("catalogue")))
    except CatalogueError as error:
        raise pytest.UsageError(str(error)) from error
    asked = [name for names in config.getoption("host") for name in names]
    unknown = sorted(set(asked) - set(catalogue.hosts))
    if unknown:
        raise pytest.UsageError(f"not in the inventory: {', '.join(unknown)}; it has {', '.join(catalogue.hosts)}")
    hosts = [name for name in catalogue.hosts if not asked or name in asked]
    if not hosts:
        raise pytest.UsageError("there is no host to verify")
    folder = tempfile.mkdtemp(prefix="holdfast-verify-")
    config.stash[FOLDER] = folder
    passwords = take_passwords()
    targets: dict[str, Target] = {}
    shut_out = dict(config.getoption("shut_out"))
    for name in hosts:
        expected = Expected(catalogue, name)
        keys, ssh_config = config.getoption("keys"), config.getoption("ssh_config")
        outside = Outside(expected, config.getoption("outsider"), ssh_config, Path(keys) if keys else None)
        backend = SudoSshBackend(
            name, ssh_config, f"{folder}/%%C", passwords.get(name), sudo=outside.ssh.get("user") != "root"
        )
        targets[name] = Target(expected, backend, outside, unreachable=shut_out.get(name, ""))
        outside.inside = targets[name].inside
    config.stash[TARGETS] = targets
    config.pluginmanager.register(Report(Path(config.getoption("report")), catalogue, targets), "holdfast-report")


TARGETS: Final = pytest.StashKey[dict[str, Target]]()
FOLDER: Final = pytest.StashKey[str]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the shared connections and remove their folder."""
    folder = config.stash.get(FOLDER, "")
    targets: dict[str, Target] = config.stash[TARGETS] if TARGETS in config.stash else {}  # noqa: SIM401
    if folder:
        for name, target in targets.items():
            config_file = str(target.backend.ssh_config)
            subprocess.run(
                ["ssh", "-q", "-F", config_file, "-o", f"ControlPath={folder}/%C", "-O", "exit", name],
                check=False,
                capture_output=True,
            )
        for path in Path(folder).iterdir():
            path.unlink(missing_ok=True)
        Path(folder).rmdir()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check on each host."""
    if "target" in metafunc.fixturenames:
        names = [*metafunc.config.stash[TARGETS]]
        metafunc.parametrize("target", names, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by stage and, within it, check by check over all hosts: waiting for one host is work for the next."""
    order = {name: at for at, name in enumerate(STAGES)}
    places: dict[str, int] = {}
    for item in items:
        places.setdefault(item.nodeid.partition("[")[0], len(places))
    items.sort(
        key=lambda item: (
            order[getattr(inspect.getmodule(getattr(item, "obj", None)), "STAGE", "inside")],
            places[item.nodeid.partition("[")[0]],
        )
    )


@pytest.fixture(scope="session")
def _ahead(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask all hosts at once, and begin the scans early: they wait for silence most of their time."""
    targets = request.config.stash[TARGETS]
    scans = any("test_tcp_ports" in item.nodeid for item in request.session.items)
    with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(SCANNERS) as scanner:
        list(pool.map(_reach, targets.values()))
        for target in targets.values():
            if scans and not target.unreachable:
                target.outside.start_scan(scanner)
        yield


def _reach(target: Target) -> None:
    """Ask one host; a failure, of whatever kind, is told by each of its checks and keeps no other from being asked."""
    with contextlib.suppress(Exception):
        target.inside()


@pytest.fixture
def target(request: pytest.FixtureRequest, _ahead: None) -> Target:
    """The host under verification."""
    found = request.config.stash[TARGETS][request.param]
    if found.unreachable:
        pytest.fail(f"the host could not be examined: {found.unreachable}", pytrace=False)
    return found


@pytest.fixture
def brute_force_wanted(request: pytest.FixtureRequest) -> bool:
    """Whether --brute-force was given."""
    return bool(request.config.getoption("brute_force"))
