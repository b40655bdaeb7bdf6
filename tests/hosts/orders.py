"""Orders for the guard's program, given to it on the host's console: for faults that a playbook cannot time."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

from .attacks import DROP_ALL
from .conftest import ROOT

if TYPE_CHECKING:
    from .conftest import Target

GUARD = "/usr/local/lib/holdfast/guard"
# As the controller does it, without the wrapping.
COMMIT = (ROOT / "roles/guard/files/deliver.py").read_text(
    encoding="utf-8"
) + f"\nprint(json.dumps(hand_over({GUARD!r}, 'commit', json.load(sys.stdin))))\n"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def file(path: str, content: str, mode: int = 0o644) -> dict[str, Any]:
    """One file of an order."""
    data = base64.b64encode(content.encode()).decode()
    return {"path": path, "data": data, "owner": "root", "group": "root", "mode": mode, "secret": False}


def lockout(seconds: int = 4, **fields: Any) -> dict[str, Any]:
    """A commit of every kind of change at once, with which nobody gets in any more."""
    return {
        "id": uuid.uuid4().hex[:12],
        "who": "a test",
        "seconds": seconds,
        "login_as": "oper",
        "check_mode": False,
        "diff": False,
        "key_directory": "/etc/ssh/authorized_keys.d",
        "accounts": None,
        "keep": [],
        "files": [
            file("/etc/ssh/sshd_config.d/00-aaa-attack.conf", "AllowGroups nobody\n", 0o600),
            file("/etc/pam.d/sshd", "account required pam_deny.so\n"),
            file("/etc/holdfast/firewall.nft", DROP_ALL.format(rules=""), 0o600),
            file("/etc/systemd/system/attack.service", UNIT),
        ],
        "prune": ["/etc/sudoers.d/holdfast*"],
        "validate": [["/usr/sbin/sshd", "-t"], ["/usr/sbin/visudo", "-c"]],
        "units": [
            {"name": "attack.service", "enabled": True, "active": True},
            {"name": "nftables.service", "masked": False},
        ],
        "sysctl": {},
        "sysctl_files": [],
        "tables": {"inet holdfast": "holdfast-firewall"},
        "reload": {
            "holdfast-firewall": ["/etc/holdfast/firewall.nft"],
            "ssh": ["/etc/ssh/sshd_config.d/*", "/etc/pam.d/sshd"],
        },
        **fields,
    }  # fmt: skip


def give(target: Target, order: dict[str, Any]) -> dict[str, Any]:
    """Hand an order to the guard's program; return its answer, empty when it was killed."""
    done = target.host.exec(["python3", "-ISc", COMMIT], check=False, stdin=json.dumps(order).encode())
    return dict(json.loads(done.stdout)) if done.stdout.strip() else {}
