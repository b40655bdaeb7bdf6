#!/usr/bin/python
"""See what runs on a host and who may enter it, before it is managed. Changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_survey
short_description: See what runs on a host and who may enter it; changes nothing
description:
  - What the host is like before it is managed - who listens, whose keys open it, who may use sudo, what was installed.
  - No password, password hash, private key or content of a file is read out.
  - It refuses to run as anybody but root, who would see less without a word of it.
  - What the host says is judged on the controller, and refused with the field where it is no survey. Texts are made
    printable, and cut after 1000 characters; in names of accounts a C(?) stands for what no name should have.
author: [holdfast]
options:
  allowed:
    description: >-
      What may be on a host, as lists of patterns C(packages), C(units) and C(setuid) under C(plain), and likewise what
      comes with C(docker) or C(wireguard). What is there beyond that is told by M(host_extras).
    type: dict
"""

EXAMPLES = r"""
- name: See what runs on the host
  host_survey:
  register: survey
"""

RETURN = r"""
hostname: {description: The host's own name., type: str, returned: always}
listeners:
  description: >-
    Sockets that accept from other machines, as C(proto) (tcp, udp), C(address), C(port), C(program), C(user) and
    C(unit) (empty where they could not be told). Those of mere clients are left out.
  type: list
  elements: dict
  returned: always
published:
  description: >-
    Ports that rules of iptables or nft pass on to a container or another machine (DNAT), as C(proto), C(port) and
    C(last), the end of a range, else C(port) again. A rule counts that names its ports by number; one for the host's
    own connections or a loopback address does not.
  type: list
  elements: dict
  returned: always
keys:
  description: >-
    Public keys that sshd would accept for any account, also one of the system, as C(account), C(file), C(type),
    C(public) (C(type base64)), C(fingerprint), C(comment), and C(options), which stand in front of the key and may
    leave it one command alone. A file that several accounts share is read for the first.
  type: list
  elements: dict
  returned: always
accounts:
  description: >-
    Root and the accounts with a uid of people, whatever their shell, as C(name), C(uid), C(shell), C(password) (whether
    one may be used), C(sudo) (C(none), C(password), C(nopasswd)).
  type: list
  elements: dict
  returned: always
strangers: {description: Names of all accounts that holdfast did not make., type: list, elements: str, returned: always}
ssh_ports: {description: Ports that sshd is told to listen on., type: list, elements: int, returned: always}
networks:
  description: Network cards, as C(interface), C(addresses), and whether the default route leaves by it (C(default)).
  type: list
  elements: dict
  returned: always
docker: {description: Whether Docker is installed., type: bool, returned: always}
tunnels: {description: Names of WireGuard's network cards., type: list, elements: str, returned: always}
forwarding:
  description: >-
    Whether the kernel passes packets on between network cards. Only where two besides loopback are up, as a container
    has the switch from the machine that it runs on.
  type: bool
  returned: always
nftables:
  description: Whether nftables.service loads another /etc/nftables.conf at boot than the one of Debian's package.
  type: bool
  returned: always
extras:
  description: What M(host_extras) returns, where O(allowed) was given.
  type: dict
  returned: with O(allowed)
"""

import base64
import contextlib
import glob
import grp
import hashlib
import ipaddress
import json
import os
import pwd
import re
import shlex
import stat
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_text import read

# Ports of clients that open a socket to hear their own answers: DHCP (IPv4, IPv6), mDNS and LLMNR on the local link.
CLIENTS = {("udp", 68), ("udp", 546), ("udp", 5353), ("udp", 5355), ("tcp", 5355)}
KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/]+=*)(?:[ \t]+(.*))?$")
ADMIN_GROUPS = ("sudo", "admin", "wheel")
# A rule of iptables-save that passes packets from elsewhere on.
DNAT = re.compile(r"(?m)^-A (?!OUTPUT )\S+ (.* )?-j DNAT( .*)?$")
PROTOCOLS = {"tcp": ("tcp",), "udp": ("udp",), "th": ("tcp", "udp")}
NFT = "/usr/sbin/nft"
PROC = "/proc"
PATIENCE = 60  # seconds that a command has to answer


class SurveyError(Exception):
    """The host cannot be looked at as a whole; the text is for the user."""


def output(*argv: str, needed: bool = False) -> str:
    """Return what a command prints, with the ends of its lines as they are; nothing where it is not installed.

    :param needed: it has to succeed. Others fail in the ordinary course, as `systemctl is-enabled` does.
    :raises SurveyError: it gave no answer, of which nobody can say that nothing is there.
    """
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=PATIENCE)
    except OSError as error:
        if needed:
            raise no_answer(argv, f"cannot be run on this host ({error.strerror})") from error
        return ""
    except subprocess.TimeoutExpired as error:
        raise no_answer(argv, f"gave no answer on this host for {PATIENCE} s") from error
    if needed and done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"])[-1]
        raise no_answer(argv, f"fails on this host with code {done.returncode} ({last})")
    return done.stdout.decode(errors="replace")


def no_answer(argv: tuple[str, ...], why: str) -> SurveyError:
    """Return the error for a command that says nothing of the host."""
    return SurveyError(
        f"nothing was changed: {shlex.join(argv)} {why}, and without it the host would look as if nothing were there. "
        "Mend that there, and run again"
    )


def owner_of(pid: int) -> tuple[str, str]:
    """Return the account and the systemd unit of a process; empty where it has ended."""
    try:
        user = pwd.getpwuid(os.stat(f"{PROC}/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        return "", ""
    units = re.findall(r"/([^/\n]+\.(?:service|scope))", read(f"{PROC}/{pid}/cgroup"))
    return user, units[-1] if units else ""


def holders() -> dict[str, int]:
    """Return the process that holds each socket, by the socket's number; of several the last one.

    `ss -p` would tell, with names that processes give themselves: another's number or the end of a line may be in them.
    """
    found = {}
    for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdigit()):
        with contextlib.suppress(OSError):
            for name in os.listdir(f"{PROC}/{pid}/fd"):
                with contextlib.suppress(OSError):
                    kind, _colon, number = os.readlink(f"{PROC}/{pid}/fd/{name}").partition(":")
                    if kind == "socket":
                        found[number.strip("[]")] = pid
    return found


def program_of(pid: int) -> str:
    """Return the name that a process gives itself, on one line."""
    return re.sub(r"[^ -~]", "?", read(f"{PROC}/{pid}/comm").removesuffix("\n"))


def listeners(text: str, pids: dict[str, int]) -> list[dict[str, object]]:
    """Return the sockets of ``ss -Hltune`` that others could reach, besides clients' own.

    :param pids: the process that holds each socket, by the socket's number.
    """
    found = []
    for line in text.split("\n"):
        words = line.split()
        if len(words) < 5:
            continue
        address, _colon, port = words[4].rpartition(":")
        address = address.strip("[]").partition("%")[0]
        try:
            if address != "*" and ipaddress.ip_address(address).is_loopback:
                continue
        except ValueError:
            continue
        if (words[0], int(port)) in CLIENTS:
            continue
        inode = re.search(r" ino:(\d+) ", line)
        pid = pids.get(inode[1]) if inode else None
        user, unit = owner_of(pid) if pid else ("", "")
        found.append(
            {
                "proto": words[0],
                "address": address,
                "port": int(port),
                "program": program_of(pid) if pid else "",
                "user": user,
                "unit": unit,
            }
        )
    return found


def published_by_iptables(saved: str) -> set[tuple[str, int, int]]:
    """Return the protocols and ports, first and last, that rules as iptables-save shows them pass on."""
    found = set()
    for rule in DNAT.finditer(saved):
        words = f" {rule[0]} "
        proto = re.search(r" -p (tcp|udp) ", words)
        ports = re.search(r"(?<! !) --dports? (\S+) ", words)
        if proto and ports and not re.search(r" -d (127\.|::1)", words):
            for part in ports[1].split(","):
                first, _colon, last = part.partition(":")
                found.add((proto[1], int(first), int(last or first)))
    return found


def ports_of(value: object) -> list[tuple[int, int]]:
    """Return the ports, first and last, that an expression of nft stands for: a number, a range, or a set of them."""
    if isinstance(value, int):
        return [(value, value)]
    if isinstance(value, dict) and "range" in value:
        first, last = value["range"]
        return [(first, last)]
    return [ports for item in value.get("set", []) for ports in ports_of(item)] if isinstance(value, dict) else []


def published_by_nft(ruleset: str) -> set[tuple[str, int, int]]:
    """Return the protocols and ports, first and last, that ``nft --json list ruleset`` shows as passed on."""
    entries = json.loads(ruleset or "{}").get("nftables", [])
    chains = [entry["chain"] for entry in entries if "chain" in entry]
    outgoing = {(c["family"], c["table"], c["name"]) for c in chains if c.get("hook") == "output"}
    found = set()
    for rule in [entry["rule"] for entry in entries if "rule" in entry]:
        if (rule["family"], rule["table"], rule["chain"]) in outgoing or not any("dnat" in e for e in rule["expr"]):
            continue
        matches = [(e["match"]["left"].get("payload", {}), e["match"]) for e in rule["expr"] if "match" in e]
        if any(field.get("field") == "daddr" and is_loopback(match["right"]) for field, match in matches):
            continue
        for field, match in matches:
            if field.get("field") == "dport" and match["op"] != "!=":
                protos = PROTOCOLS.get(field["protocol"], ())
                found |= {(proto, *ports) for proto in protos for ports in ports_of(match["right"])}
    return found


def is_loopback(value: object) -> bool:
    """Tell whether an expression of nft is a loopback address or a network of them."""
    if isinstance(value, dict) and "prefix" in value:
        value = value["prefix"]["addr"]
    return isinstance(value, str) and value.startswith(("127.", "::1"))


def published() -> list[dict[str, object]]:
    """Return the ports that are passed on: those of Docker have no listener where its userland proxy is off.

    Without `-t`, which would load the table where it is not there.
    """
    found = published_by_iptables(output("/usr/sbin/iptables-save") + output("/usr/sbin/ip6tables-save"))
    found |= published_by_nft(output(NFT, "--json", "list", "ruleset", needed=os.path.exists(NFT)))
    return [{"proto": proto, "port": first, "last": last} for proto, first, last in sorted(found)]


def forwarding(root: str = "/proc/sys/net", cards: str = "/sys/class/net") -> bool:
    """Tell whether the kernel passes packets on from one of its cards to another.

    A new network namespace takes the switch from the machine, and gets tunnels that are down: a container with one
    card passes nothing on for either.
    """
    paths = [path for path in glob.glob(f"{cards}/*/flags") if path != f"{cards}/lo/flags"]
    if sum(int(read(path) or "0", 16) & 1 for path in paths) < 2:  # IFF_UP
        return False
    return any(read(path).strip() == "1" for path in glob.glob(f"{root}/ipv[46]/conf/*/forwarding"))


def wireguard_cards(cards: str = "/sys/class/net", sockets: str = "/run/wireguard") -> list[str]:
    """Return the names of WireGuard's network cards: the kernel's, and a program's that `wg` knows by its socket."""
    names = [path.split("/")[-2] for path in sorted(glob.glob(f"{cards}/*/uevent"))]
    return [
        name
        for name in names
        if "DEVTYPE=wireguard" in read(f"{cards}/{name}/uevent") or os.path.exists(f"{sockets}/{name}.sock")
    ]


def loads_other_rules(enabled: str, conffiles: str, path: str = "/etc/nftables.conf") -> bool:
    """Tell whether nftables.service loads rules at boot that somebody wrote.

    enabled: what ``systemctl is-enabled`` says. conffiles: those of the package, with the digests of what it brings.
    """
    text = read(path)
    packaged = re.search(rf"(?m)^ *{re.escape(path)} (\w+)", conffiles)
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return enabled.strip() == "enabled" and bool(text) and not (packaged and packaged[1] == digest)


def is_read_for(account: pwd.struct_passwd, path: str, *, strict: bool) -> bool:
    """Tell whether sshd reads a file of keys for the account: with StrictModes one of root's or of its own only."""
    try:
        state = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and (not strict or state.st_uid in {0, account.pw_uid})


def key_files(
    accounts: list[pwd.struct_passwd], patterns: list[str], *, strict: bool
) -> list[tuple[pwd.struct_passwd, str]]:
    """Return each file of keys that sshd reads, with the account, of several the first, for which it does."""
    found: dict[str, tuple[pwd.struct_passwd, str]] = {}
    for account in accounts:
        for pattern in patterns:
            name = pattern.replace("%%", "\0").replace("%h", account.pw_dir).replace("%u", account.pw_name)
            path = os.path.join(account.pw_dir, name.replace("\0", "%"))
            if is_read_for(account, path, strict=strict):
                found.setdefault(os.path.realpath(path), (account, path))
    return list(found.values())


def end_of_options(line: str) -> int:
    """Return where the options in front of a key end, as sshd reads them: at the first space outside of quotes."""
    at, quoted = 0, False
    while at < len(line) and (quoted or line[at] not in " \t"):
        if line.startswith('\\"', at):  # a quote that opens and closes nothing
            at += 1
        elif line[at] == '"':
            quoted = not quoted
        at += 1
    return at


def key_of(line: str) -> tuple[str, re.Match[str] | None]:
    """Return the options in front of a line's key, often none, and the key: None where sshd sees none.

    What looks like a key within the options, as in a command, is no key.
    """
    line = line.strip(" \t\r")
    if line.startswith("#"):
        return "", None
    if match := KEY.match(line):
        return "", match
    options = line[: end_of_options(line)]
    return options, KEY.match(line[len(options) :].lstrip(" \t"))


def keys(accounts: list[pwd.struct_passwd], patterns: list[str], *, strict: bool) -> list[dict[str, str]]:
    """Return every public key that lies where sshd would look for it."""
    found = []
    for account, path in key_files(accounts, patterns, strict=strict):
        # Not splitlines(): sshd knows one end of a line, and what others take for one may stand within an option.
        for line in read(path).split("\n"):
            options, match = key_of(line)
            if match is None:
                continue
            try:
                digest = hashlib.sha256(base64.b64decode(match[2], validate=True)).digest()
            except ValueError:
                continue
            found.append(
                {
                    "account": account.pw_name,
                    "file": path,
                    "type": match[1],
                    "public": f"{match[1]} {match[2]}",
                    "fingerprint": "SHA256:" + base64.b64encode(digest).decode().rstrip("="),
                    "comment": (match[3] or "").strip(),
                    "options": options,
                }
            )
    return found


def sudo_of(account: pwd.struct_passwd, rules: str, groups: list[str]) -> str:
    """Return how sudo treats the account, by its groups and by the rules that name it or one of them."""
    if account.pw_uid == 0:
        return "nopasswd"
    names = [re.escape(account.pw_name), *(f"%{re.escape(group)}" for group in groups)]
    lines = re.findall(rf"(?m)^\s*(?:{'|'.join(names)})\s+.*$", rules)
    if any("NOPASSWD" in line for line in lines):
        return "nopasswd"
    return "password" if lines or set(groups) & set(ADMIN_GROUPS) else "none"


def human_uids(login_defs: str) -> range:
    """Return the range of uids that login.defs gives to people: the guard closes who is in it, whatever the shell."""
    bounds = (login_number(login_defs, "UID_MIN", 1000), login_number(login_defs, "UID_MAX", 60000))
    return range(bounds[0], bounds[1] + 1)


def login_number(login_defs: str, name: str, default: int) -> int:
    """Return a number of login.defs as the guard reads it: see roles/guard/files/program/login_defs.py."""
    values = re.findall(rf'(?m)^[ \t]*{name}[ \t]+(?=\S)[ \t"]*([^"\n]*?)(?:".*|[^\S\n]*)$', login_defs)
    found = re.fullmatch(r"\+?(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,21}|[1-9][0-9]{0,18})", values[-1]) if values else None
    return int(found[1], 8 if found[1].isdigit() and found[1][0] == "0" else 0) if found else default


def usable_passwords() -> set[str]:
    """Return the accounts whose password could be used. No hash leaves this function."""
    fields = [line.split(":") for line in read("/etc/shadow").splitlines()]
    return {field[0] for field in fields if len(field) > 1 and not field[1].startswith(("*", "!"))}


def networks() -> list[dict[str, object]]:
    """Return the network cards with a global address."""
    try:
        links = json.loads(output("ip", "-json", "address", "show", "scope", "global") or "[]")
        routes = json.loads(output("ip", "-json", "route", "show", "default") or "[]")
        routes += json.loads(output("ip", "-json", "-6", "route", "show", "default") or "[]")
    except ValueError:
        return []
    leaving = {route.get("dev") for route in routes}
    found = []
    for link in links:
        addresses = [entry["local"] for entry in link.get("addr_info", []) if entry and not entry.get("temporary")]
        if addresses:
            found.append({"interface": link["ifname"], "addresses": addresses, "default": link["ifname"] in leaving})
    return found


def survey() -> dict[str, object]:
    """Return all that is seen of the host."""
    effective = output("/usr/sbin/sshd", "-T", needed=True)
    ports = sorted({int(word) for word in re.findall(r"(?m)^port (\d+)$", effective)}) or [22]
    patterns = re.search(r"(?m)^authorizedkeysfile (.+)$", effective)
    rules = "\n".join(map(read, ["/etc/sudoers", *glob.glob("/etc/sudoers.d/*")]))
    accounts = pwd.getpwall()
    humans = human_uids(read("/etc/login.defs"))
    passwords = usable_passwords()
    return {
        "hostname": os.uname().nodename,
        "listeners": listeners(output("ss", "-Hltune", needed=True), holders()),
        "published": published(),
        "keys": keys(
            accounts,
            (patterns[1] if patterns else ".ssh/authorized_keys").split(),
            strict=not re.search(r"(?m)^strictmodes no$", effective),
        ),
        "accounts": [
            {
                "name": account.pw_name,
                "uid": account.pw_uid,
                "shell": account.pw_shell,
                "password": account.pw_name in passwords,
                "sudo": sudo_of(account, rules, [g.gr_name for g in grp.getgrall() if account.pw_name in g.gr_mem]),
            }
            for account in accounts
            if account.pw_uid == 0 or account.pw_uid in humans
        ],
        "strangers": [account.pw_name for account in accounts if account.pw_gecos != "holdfast-service"],
        "ssh_ports": ports,
        "networks": networks(),
        "docker": os.path.exists("/usr/bin/dockerd") or os.path.exists("/run/docker.sock"),
        "tunnels": wireguard_cards(),
        "forwarding": forwarding(),
        "nftables": loads_other_rules(
            output("systemctl", "is-enabled", "nftables.service"),
            output("dpkg-query", "--show", "--showformat=${Conffiles}", "nftables"),
        ),
    }


def main() -> None:
    """Look and tell."""
    module = AnsibleModule({}, supports_check_mode=True)
    if os.geteuid() != 0:  # others see less, and nothing tells that it is less
        module.fail_json(
            msg="nothing was read or changed: root alone sees all that listens and every key that opens the host. "
            "Become root with -b, and -K where sudo asks for a password, or log in as root"
        )
    try:
        module.exit_json(changed=False, **survey())
    except SurveyError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
