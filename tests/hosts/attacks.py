"""The attacks: each is one commit that would lock its operator out, and how the guard should see it.

``stage`` is what a role would stage, ``before`` is a shell script that prepares the host, ``login`` overrides where the
fresh login goes, ``closed`` locks and expires all accounts, ``seen`` is the reason that the run must give: a pattern
for the message of the task that failed, on one line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SSHD = "/etc/ssh/sshd_config.d/00-aaa-attack.conf"
OURS = "/etc/ssh/sshd_config.d/00-holdfast.conf"
KEYS = "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n"
DOOR = f"AllowGroups holdfast-ssh\n{KEYS}"
TWO_PORTS = f"{DOOR}Port 22\nPort 2299\n"
SSHD_TEST = [["/usr/sbin/sshd", "-t"]]
FIREWALL = "/etc/holdfast/firewall.nft"
LOADER = "/etc/holdfast/load-firewall"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKe9uYQ7N9cZ0X6kQyYvRGmFfXh1tJp1mY7l0xj2c3bS somebody-else\n"
DROP_ALL = """add table inet holdfast
delete table inet holdfast
table inet holdfast {{
    chain input {{
        type filter hook input priority filter; policy drop;
        {rules}
    }}
}}
"""


@dataclass(frozen=True)
class Attack:
    """One way to lock oneself out."""

    name: str
    seen: str
    stage: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    login: dict[str, Any] = field(default_factory=dict)
    closed: bool = False
    rehearsed: bool = False  # refused before anything goes live
    by_timer: bool = False  # nobody can tell the host: it waits for its own timer


def sshd(text: str, *, judged: bool = True, path: str = SSHD) -> dict[str, Any]:
    """Stage an sshd drop-in that beats every other one."""
    file = {"path": path, "content": text, "mode": "0600"}
    return {"files": [file], "validate": SSHD_TEST if judged else [], "reload": ["ssh"]}


def firewall(rules: str, *, judged: bool = False) -> dict[str, Any]:
    """Stage a ruleset of our table with nothing but these input rules."""
    file = {"path": FIREWALL, "content": DROP_ALL.format(rules=rules), "mode": "0600"}
    return {
        "files": [file],
        "validate": [[LOADER, "-c"]] if judged else [],
        "reload": ["holdfast-firewall"],
        "tables": ["inet holdfast"],
    }


def file(path: str, content: str, mode: str = "0644") -> dict[str, Any]:
    """Stage one plain file."""
    return {"files": [{"path": path, "content": content, "mode": mode}]}


OPEN = "ct state established,related accept; iif lo accept;"
TAKE_IPV4 = """
cat > /tmp/squatter.py <<'END'
import socket, time
squatter = socket.socket()
squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
squatter.bind(("0.0.0.0", 2299))
squatter.listen()
time.sleep(600)
END
systemd-run --quiet --unit=squatter /usr/bin/python3 /tmp/squatter.py
"""

# Rules that nft refuses: the first has a word that it does not know, the second a chain that the kernel does not have.
NO_RULE = "no such rule;"
NO_CHAIN = "jump nowhere;"
LOGIN = "^the fresh login failed: "
PUT_BACK = "; the host put itself back$"

ATTACKS = [
    # In our own file: AllowGroups of several files add up.
    Attack(
        "wrong AllowGroups",
        LOGIN + r"denied: oper@\S+: Permission denied \(publickey,password\)",  # the file says so of passwords, too
        sshd(f"AllowGroups nobody-is-in-here\n{KEYS}", path=OURS),
    ),
    Attack(
        "key list without the operator",
        LOGIN + r"denied: oper@\S+: Permission denied \(publickey\)",
        file("/etc/ssh/authorized_keys.d/oper", OTHER_KEY),
    ),
    Attack("firewall drops SSH", LOGIN + "no answer: .* port 22: Connection timed out", firewall(OPEN)),
    Attack(
        "new port that the firewall keeps closed",
        LOGIN + "no answer: .* port 2299: Connection timed out",
        sshd(TWO_PORTS, path=OURS),
        login={"port": 2299},
    ),
    Attack(
        "PAM denies sshd",
        LOGIN + "account refused: Connection closed by",
        file("/etc/pam.d/sshd", "account required pam_deny.so\n"),
    ),
    Attack(
        "PAM stack broken",
        LOGIN + "account refused: Connection closed by",
        file("/etc/pam.d/common-account", "account required no_such_module.so\n"),
    ),
    Attack(
        "sudoers takes the admin's rights",
        LOGIN + "sudo failed: Missing sudo password",
        {
            "files": [{"path": "/etc/sudoers.d/zz-attack", "content": "oper ALL=(ALL:ALL) !ALL\n", "mode": "0440"}],
            "validate": [["/usr/sbin/visudo", "-c"]],
        },
    ),
    Attack(
        "sshd configuration is wrong",
        "^nothing was changed, the rehearsal failed: /usr/sbin/sshd -t: .*NoSuchOption",
        sshd("NoSuchOption yes\n"),
        rehearsed=True,
    ),
    Attack(
        "sshd does not start",
        "^systemctl reload-or-restart ssh: .*NoSuchOption.*" + PUT_BACK,
        sshd("NoSuchOption yes\n", judged=False),
    ),
    Attack(
        "sshd loses its listener on reload",
        r"^sshd does not listen on 203\.0\.113\.99:22: .*" + PUT_BACK,
        sshd("ListenAddress 203.0.113.99\n"),
    ),
    Attack(
        "port taken on one address family",
        r"^sshd does not listen on 0\.0\.0\.0:2299: .*" + PUT_BACK,
        sshd(TWO_PORTS, path=OURS),
        before=TAKE_IPV4,
    ),
    Attack(
        "host key swapped",
        LOGIN + "host key: .*Host key verification failed",
        sshd("HostKey /etc/ssh/attack_key\n"),
        before=("ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/attack_key; sed -i '/^HostKey/d' /etc/ssh/sshd_config"),
    ),
    Attack(
        "no algorithm in common",
        LOGIN + "no common algorithm: Unable to negotiate with",
        sshd("KexAlgorithms diffie-hellman-group1-sha1\n"),
    ),
    Attack("operator locked and expired", LOGIN + "account refused: Your account has expired", closed=True),
    Attack(
        "network cut while armed",
        LOGIN + "no answer: .* port 22: Connection timed out",
        firewall(""),
        by_timer=True,
    ),
    Attack(
        "rules that nft refuses",
        f"^nothing was changed, the rehearsal failed: {LOADER} -c: .*Error: syntax error, unexpected",
        firewall(NO_RULE, judged=True),
        rehearsed=True,
    ),
    Attack(
        "rules that the kernel refuses",
        "^systemctl reload-or-restart holdfast-firewall: .*No such file or directory.*" + PUT_BACK,
        firewall(NO_CHAIN),
    ),
]
