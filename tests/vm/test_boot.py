"""The whole playbook on a bare machine, and what a real boot makes of it."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

from tests.hosts.conftest import HOST
from tests.hosts.reports import details, verify
from tests.hosts.starts import SITE, edit_host, own

from .conftest import DECLARED, UNDECLARED, Hardened
from .time_server import time_server, wait_until_synchronized
from .whole_host import (
    assert_it_serves,
    assert_no_second_reboot,
    assert_the_next_run_repairs,
    lose_power_within_a_set,
    reboot_in_the_window,
    starve,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts.conftest import Target

# Sockets that listen from the first moment on, so that the firewall alone decides what answers.
EARLY = f"""
cat > /etc/systemd/system/early.socket <<'END'
[Unit]
DefaultDependencies=no
Before=network-pre.target
[Socket]
ListenStream=[::]:{DECLARED}
ListenStream=[::]:{UNDECLARED}
BindIPv6Only=both
[Install]
WantedBy=sysinit.target
END
printf '[Service]\nExecStart=/bin/sleep infinity\n' > /etc/systemd/system/early.service
systemctl enable --quiet early.socket
"""
NOT_EARLY = "systemctl disable --quiet --now early.socket early.service; rm /etc/systemd/system/early.*"

# Knocks at every port of every address at once, until its input ends; tells each change of the answer.
KNOCKER = """
import json, select, socket, sys, threading
ended = threading.Event()
def knock(address, port):
    before = None
    while not ended.is_set():
        try:
            socket.create_connection((address, port), timeout=0.3).close()
            answer = "open"
        except ConnectionRefusedError:
            answer = "refused"
        except OSError:
            answer = "silent"
        if answer != before:
            # One write: print() makes two, between which another thread has its say.
            sys.stdout.write(json.dumps([address, port, answer]) + "\\n")
        before = answer
        ended.wait(0.1)
for address in sys.argv[2:]:
    for port in json.loads(sys.argv[1]):
        threading.Thread(target=knock, args=(address, port)).start()
select.select([sys.stdin], [], [], 900)
ended.set()
"""


def test_the_second_run_changes_nothing(target: Target, hardened: Hardened) -> None:
    """The first run hardened the machine, the next one finds nothing to do."""
    assert hardened.first_run.changed > 0
    again = target.play(SITE)
    assert again.changed == 0, again.text


def since_boot(target: Target, unit: str, moment: str = "ActiveEnterTimestampMonotonic") -> int:
    """When a unit came up, in microseconds of the kernel's clock; fails when it did not."""
    value = int(target.sh(f"systemctl show --value --property {moment} {unit}"))
    assert value > 0, f"{unit} did not come up"
    return value


def forwarding(target: Target) -> list[str]:
    """Whether the kernel passes packets on: IPv4, IPv6."""
    return target.sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding").split()


def test_reboot(target: Target, tmp_path: Path) -> None:
    """In its window, once. The firewall stands before the network does, and shuts what nobody declared.

    Everything holds as before: of all promises the report misses one, since a part was killed for want of memory.
    """
    host = target.host
    starved = starve(target, "shop-web")
    target.sh(EARLY)
    addresses = [address for address in (host.address, host.address6) if address]
    with subprocess.Popen(
        [*host.lab.outsider(), "python3", "-u", "-c", KNOCKER, json.dumps([DECLARED, UNDECLARED]), *addresses],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as knocker:  # fmt: skip
        reboot_in_the_window(target)
        time.sleep(3)
        told, _ = knocker.communicate("enough\n", timeout=30)
    answers = [json.loads(line) for line in told.splitlines()]
    for address in addresses:
        of_declared = [answer for *door, answer in answers if door == [address, DECLARED]]
        of_undeclared = [answer for *door, answer in answers if door == [address, UNDECLARED]]
        assert of_declared[-2:] == ["silent", "open"], f"{address} was not seen to come up: {told}"
        assert of_undeclared == ["silent"], told

    firewall = since_boot(target, "holdfast-firewall.service")
    assert firewall < since_boot(target, "network-pre.target")
    assert firewall < since_boot(target, "systemd-networkd.service", "ExecMainStartTimestampMonotonic")
    assert "policy drop" in target.sh("nft list chain inet holdfast input")

    assert target.ssh("oper") == 0
    assert forwarding(target) == ["0", "0"]

    target.sh(NOT_EARLY)
    assert_it_serves(target)
    assert_no_second_reboot(target)
    with time_server(target):
        target.sh("systemctl restart systemd-timesyncd")
        wait_until_synchronized(target)
        _run, data = verify(target, tmp_path / "report", expect=2)
    failed = details(data, HOST, "failed")
    assert set(failed) == {"services"}, failed
    (found,) = failed["services"]
    assert f"{starved}: a process was killed for want of memory" in found
    assert "notes" not in found


def test_power_loss(target: Target, tmp_path: Path) -> None:
    """A router is one at once, and after a boot; a set of files that was half in place is finished by the next run."""
    router = own(target, tmp_path)
    cards = [
        {"name": "public", "interface": "eth0"},
        {"name": "inner", "interface": "eth1", "address": "10.77.0.1"},  # its cable is not plugged in yet
    ]
    edit_host(router, forwards="router", networks=cards)
    assert forwarding(target) == ["0", "0"]
    router.play(SITE)
    assert forwarding(target) == ["1", "1"]
    lose_power_within_a_set(router, tmp_path)
    assert forwarding(target) == ["1", "1"]
    assert target.ssh("oper") == 0
    assert_the_next_run_repairs(router, tmp_path)
    again = router.play(SITE)
    assert again.changed == 0, again.text
