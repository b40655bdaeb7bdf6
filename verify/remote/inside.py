"""Collect, as root on the host, everything that the inside promises look at; changes nothing.

One program and one connection for all of it: a remote call costs more than everything that is asked here together.
It must run on the oldest supported host with the standard library alone, and never prints a secret: of a password
it tells the kind, of a key its public half.
"""

from __future__ import annotations

import base64
import binascii
import concurrent.futures
import fnmatch
import glob
import hashlib
import ipaddress
import json
import os
import pwd
import re
import shlex
import sys
import time
from typing import Any

from verify.remote.ground import ground
from verify.remote.resolvers import resolvers
from verify.remote.restarts import restarts
from verify.remote.tell import json_of, lines_of, printable, read, run

KEY_TYPES = ("ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-")
DOCUMENTATION_ADDRESS = "203.0.113.77"
METADATA = "169.254.169.254"
MAX_CONNECTIONS = 250
TIME_SERVICES = ["systemd-timesyncd.service", "chrony.service", "ntpsec.service", "openntpd.service"]
CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
except OSError as error:
    print(errno.errorcode.get(error.errno, type(error).__name__))
else:
    print("connected")
"""


def stat(path: str) -> dict[str, Any] | None:
    """Owner, group and mode of a path; None when it does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return {"uid": found.st_uid, "gid": found.st_gid, "mode": found.st_mode & 0o7777, "dir": os.path.isdir(path)}


def sshd_lines(path: str = "/etc/ssh/sshd_config", depth: int = 0) -> list[tuple[str, int, str]]:
    """Every line of sshd's configuration with its file and number, includes followed."""
    lines = []
    for number, raw in enumerate(lines_of(read(path)), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        lines.append((path, number, line))
        words = line.replace("=", " ", 1).split()
        if words[0].lower() == "include" and depth < 8:
            for pattern in words[1:]:
                full = pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}"
                for name in sorted(glob.glob(full)):
                    lines += sshd_lines(name, depth + 1)
    return lines


def match_words(line: str) -> dict[str, str]:
    """The criteria of one Match line, lower case: {'user': 'bob', 'address': '10.0.0.0/8'}."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    flat: list[str] = []
    for word in words[1:]:
        flat += word.split("=", 1)
    return {flat[at].lower(): flat[at + 1] for at in range(0, len(flat) - 1, 2) if flat[at].lower() != "all"}


def example_address(pattern: str) -> str | None:
    """An address that a Match Address pattern admits."""
    for one in pattern.split(","):
        if one.startswith("!"):
            continue
        try:
            network = ipaddress.ip_network(one, strict=False)
        except ValueError:
            if "*" in one or "?" in one:
                return one.replace("*", "7").replace("?", "7")
            continue
        return str(network.network_address + (1 if network.num_addresses > 2 else 0))
    return None


def connections(
    names: list[str], groups: dict[str, list[str]], lines: list[tuple[str, int, str]], address: str
) -> tuple[list[dict[str, str]], int]:
    """One connection for each account, and one for each account and Match condition that could treat it specially.

    And how many of them were left out, since there are too many.
    """
    base = {"host": "outside.invalid", "addr": address, "laddr": "192.0.2.1", "lport": "22"}
    wanted = [{"user": name, **base} for name in names]
    for _path, _number, line in lines:
        if not line.lower().startswith("match"):
            continue
        words = match_words(line)
        special = dict(base)
        if "address" in words:
            special["addr"] = example_address(words["address"]) or address
        if "localaddress" in words:
            special["laddr"] = example_address(words["localaddress"]) or base["laddr"]
        if "localport" in words:
            special["lport"] = words["localport"].split(",")[0]
        if "host" in words:
            special["host"] = words["host"].split(",")[0].replace("*", "x").replace("?", "x")
        users = list(names)
        if "user" in words:
            patterns = [one for one in words["user"].split(",") if not one.startswith("!")]
            users = [name for name in names if any(fnmatch.fnmatch(name, one) for one in patterns)]
            users += [one for one in patterns if "*" not in one and "?" not in one and one not in users]
        elif "group" in words:
            patterns = words["group"].split(",")
            inside = {
                member
                for name, members in groups.items()
                for member in members
                if any(fnmatch.fnmatch(name, one) for one in patterns)
            }
            users = [name for name in names if name in inside]
        wanted += [{"user": name, **special} for name in users]
    seen: list[dict[str, str]] = []
    for one in wanted:
        if one not in seen:
            seen.append(one)
    return seen[:MAX_CONNECTIONS], len(seen[MAX_CONNECTIONS:])


def effective(connection: dict[str, str]) -> dict[str, Any]:
    """What sshd itself says it would do with one connection."""
    spec = ",".join(f"{key}={value}" for key, value in connection.items())
    code, out, err = run(["/usr/sbin/sshd", "-T", "-C", spec])
    options: dict[str, list[str]] = {}
    for line in lines_of(out):
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return {"connection": connection, "rc": code, "error": err.strip(), "options": options}


def key_lines(path: str) -> list[dict[str, Any]]:
    """Every key of one authorized_keys file: line number, options, type, fingerprint."""
    found = []
    for number, raw in enumerate(lines_of(read(path)), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        at = -1
        quoted = False
        for index, letter in enumerate(line):
            if letter == '"' and (index == 0 or line[index - 1] != "\\"):
                quoted = not quoted
            if not quoted and (index == 0 or line[index - 1] in " \t") and line[index:].startswith(KEY_TYPES):
                at = index
                break
        entry: dict[str, Any] = {"line": number, "options": line[:at].strip() if at > 0 else "", "fingerprint": ""}
        words = line[at:].split() if at >= 0 else []
        if len(words) > 1:
            try:
                blob = base64.b64decode(words[1], validate=True)
            except (binascii.Error, ValueError):
                pass
            else:
                digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
                entry.update(type=words[0], fingerprint=f"SHA256:{digest}")
        found.append(entry)
    return found


def authorized_keys(accounts: list[dict[str, Any]], answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every file that sshd would read keys of an account from, for every condition that was asked about."""
    homes = {one["name"]: (one["home"], str(one["uid"])) for one in accounts}
    wanted: dict[tuple[str, str], None] = {}
    for answer in answers:
        name = answer["connection"]["user"]
        if name not in homes:
            continue
        home, uid = homes[name]
        for value in answer["options"].get("authorizedkeysfile", []):
            for pattern in value.split():
                if pattern == "none":
                    continue
                path = pattern.replace("%%", "\0").replace("%u", name).replace("%h", home).replace("%U", uid)
                path = path.replace("\0", "%")
                wanted[(name, path if path.startswith("/") else os.path.join(home, path))] = None
    return [
        {"account": name, "path": path, "stat": stat(path), "keys": key_lines(path)}
        for name, path in wanted
        if os.path.exists(path)
    ]


def password_kind(field: str) -> str:
    """Kind of a shadow field, never the field: empty, locked, none or usable."""
    if field == "":
        return "empty"
    if field[0] == "!":
        return "locked"
    if field[0] == "*" or len(field) < 4:
        return "none"
    return "usable"


def accounts_of_host() -> list[dict[str, Any]]:
    """Every account, with the state of its password and its dates in days since 1970."""
    shadow: dict[str, list[str]] = {}
    for line in lines_of(read("/etc/shadow")):
        fields = line.split(":")
        if len(fields) >= 8:
            shadow[fields[0]] = fields
    found = []
    for one in pwd.getpwall():
        entry = shadow.get(one.pw_name)
        # Anything but an x in /etc/passwd counts before what shadow says, nothing at all among it.
        in_shadow = entry is not None and one.pw_passwd == "x"
        fields = entry or []
        kind = password_kind(fields[1] if in_shadow else one.pw_passwd.replace("x", "*", 1))
        found.append(
            {
                "name": one.pw_name,
                "uid": one.pw_uid,
                "gid": one.pw_gid,
                "home": one.pw_dir,
                "shell": one.pw_shell,
                "password": kind,
                "in_shadow": in_shadow,
                "max_days": int(fields[4]) if fields and fields[4].isdigit() else None,
                "expires": int(fields[7]) if fields and fields[7].isdigit() else None,
            }
        )
    return found


def groups_of_host(accounts: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Members of every group, those whose primary group it is included."""
    groups: dict[str, list[str]] = {}
    for line in lines_of(read("/etc/group")):
        name, _, gid, members = ([*line.split(":"), "", "", ""])[:4]
        primary = [one["name"] for one in accounts if str(one["gid"]) == gid]
        groups[name] = sorted({*[one for one in members.split(",") if one], *primary})
    return groups


def login_number(login_defs: str, name: str, default: int) -> int:
    """A number of login.defs as the guard reads it: see roles/guard/files/program/login_defs.py."""
    values = re.findall(rf'(?m)^[ \t]*{name}[ \t]+(?=\S)[ \t"]*([^"\n]*?)(?:".*|[^\S\n]*)$', login_defs)
    found = re.fullmatch(r"\+?(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,21}|[1-9][0-9]{0,18})", values[-1]) if values else None
    return int(found[1], 8 if found[1].isdigit() and found[1][0] == "0" else 0) if found else default


def sudo_of(name: str) -> dict[str, Any]:
    """What sudo itself grants one account."""
    code, out, err = run(["/usr/bin/sudo", "-n", "-ll", "-U", name])
    entries: list[dict[str, Any]] = []
    for line in lines_of(out):
        text = line.strip()
        if line.startswith(("Sudoers entry", "LDAP Role", "SSSD Role")):
            entries.append({"from": text.partition(":")[2].strip(), "commands": []})
        elif entries and line.startswith("    ") and ":" in text and not line.startswith("\t"):
            key, _, value = text.partition(":")
            if value.strip():  # "Commands:" stands alone; what it heads comes below it
                entries[-1][key.strip().lower()] = value.strip()
        elif entries and line.startswith("\t"):
            entries[-1]["commands"].append(text)
    return {"name": name, "rc": code, "entries": entries, "error": err.strip()}


def holders(text: str) -> dict[tuple[str, str], str]:
    """The process of each socket, by protocol and address, from ``ss -p``.

    It writes a process's name as it is, a quote or a line's end in it, too: only what comes after the last name is ss's
    own, and a line that a name begins has no room for an address and the rest.
    """
    found = {}
    for line in lines_of(text):
        words, last = line.split(None, 5), re.search(r",pid=(\d+),fd=\d+\)\)\s*\Z", line)
        if len(words) == 6 and last:
            found[words[0], words[4]] = last[1]
    return found


def process(pid: str) -> tuple[str, int | None]:
    """A process's name, which it chooses itself, and the number of the account that has begun it."""
    uid = re.search(r"(?m)^Uid:\t(\d+)", read(f"/proc/{pid}/status")) if pid else None
    return printable(read(f"/proc/{pid}/comm").removesuffix("\n")) if pid else "", int(uid[1]) if uid else None


def listeners() -> list[dict[str, Any]]:
    """Every TCP and UDP socket that waits for somebody."""
    found = []
    shown = ["ss", "-H", "-l", "-n", "-t", "-u"]
    held = holders(run([*shown, "-p"])[1])
    for line in lines_of(run(shown)[1]):
        words = line.split()
        if len(words) < 5:
            continue
        address, _, port = words[4].rpartition(":")
        interface = ""
        if "%" in address:
            address, _, interface = address.partition("%")
            interface = interface.rstrip("]")
        program, uid = process(held.get((words[0], words[4]), ""))
        found.append(
            {
                "proto": words[0],
                "address": address.strip("[]"),
                "interface": interface,
                "port": int(port) if port.isdigit() else 0,
                "program": program,
                "uid": uid,
            }
        )
    return found


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """State of systemd units."""
    keys = "Id,LoadState,UnitFileState,ActiveState,SubState,Result,Before,WantedBy,RequiredBy"
    keys += ",ActiveEnterTimestampMonotonic"
    out = run(["systemctl", "show", "-p", keys, "--", *names])[1]
    found = {}
    for block in out.split("\n\n"):
        pairs = dict(line.split("=", 1) for line in lines_of(block) if "=" in line)
        if "Id" in pairs:
            found[pairs["Id"]] = pairs
    return found


def written(path: str) -> Any:
    """What a JSON file holds; None when there is none that can be read."""
    try:
        return json.loads(read(path))
    except ValueError:
        return None


def backup() -> dict[str, Any]:
    """What the backups left behind, and what their unit may see and do."""
    keys = (
        "User,AmbientCapabilities,CapabilityBoundingSet,TemporaryFileSystem,RootDirectory,BindPaths,BindReadOnlyPaths"
        ",Requires"
    )
    out = run(["systemctl", "show", "-p", keys, "holdfast-backup.service"])[1]
    return {
        "last": written("/var/lib/holdfast/backup/last.json"),
        "repository": written("/var/lib/holdfast/backup/repository.json"),
        "unit": dict(line.split("=", 1) for line in lines_of(out) if "=" in line),
    }


def unit_files() -> dict[str, str]:
    """Unit files whose name says that they are ours, with their state."""
    out = run(["systemctl", "list-unit-files", "--no-legend", "--plain", "holdfast*"])[1]
    return {words[0]: words[1] for words in (line.split() for line in lines_of(out)) if len(words) > 1}


def smallest_modulus(options: dict[str, list[str]]) -> int | None:
    """Size in bits of the smallest group in sshd's moduli file; None without one."""
    path = options.get("modulifile", ["/etc/ssh/moduli"])[0]
    sizes = [
        int(words[4]) + 1
        for words in (line.split() for line in lines_of(read(path)))
        if len(words) >= 7 and words[4].isdigit()
    ]
    return min(sizes) if sizes else None


def host_keys(options: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The host keys that sshd offers: type, bits, fingerprint and file modes."""
    found = []
    for path in options.get("hostkey", []):
        words = run(["ssh-keygen", "-l", "-f", path])[1].split()
        found.append(
            {
                "path": path,
                "stat": stat(path),
                "bits": int(words[0]) if words else 0,
                "fingerprint": words[1] if len(words) > 1 else "",
                "type": words[-1].strip("()") if words else "",
            }
        )
    return found


def updates() -> dict[str, Any]:
    """What apt itself would do unattended, and when it last succeeded."""
    periodic = "/var/lib/apt/periodic"
    stamps = {name: f"{periodic}/{name}" for name in ("update-stamp", "upgrade-stamp")}
    return {
        "apt": lines_of(run(["apt-config", "dump"])[1]),
        "succeeded": {name: os.stat(path).st_mtime for name, path in stamps.items() if os.path.exists(path)},
    }


def connects(name: str, address: str, port: int) -> str:
    """What an account gets that connects somewhere: `connected`, or the name of the error."""
    user = pwd.getpwnam(name)
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return run([*prefix, sys.executable, "-c", CONNECT, address, str(port)])[1].strip()


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Answer everything.

    `params`: users (names to ask sshd about), source (address of an outsider), services (names of accounts that may
    connect to nothing undeclared), port (sshd's), kernel (keys of settings), resolvers (to ask).
    """
    started = time.time()
    accounts = accounts_of_host()
    groups = groups_of_host(accounts)
    lines = sshd_lines()
    source = os.environ.get("SUDO_SSH_CONNECTION") or os.environ.get("SSH_CONNECTION", "")
    names = list(dict.fromkeys([*params["users"], *[one["name"] for one in accounts]]))
    wanted, left_out = connections(names, groups, lines, params.get("source") or DOCUMENTATION_ADDRESS)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sshd = pool.map(effective, wanted)
        sudo = pool.map(sudo_of, [one["name"] for one in accounts])
        nft = pool.submit(json_of, ["nft", "-j", "list", "ruleset"])
        cvt = pool.submit(json_of, ["cvtsudoers", "-f", "json", "/etc/sudoers"])
        visudo = pool.submit(run, ["visudo", "-c"])
        listening = pool.submit(listeners)
        ours = pool.submit(unit_files)
        stands_on = pool.submit(ground, params)
        held = sorted(set(params["services"]) & {one["name"] for one in accounts})
        inward = [pool.submit(connects, name, "127.0.0.1", params["port"]) for name in held]
        metadata = [pool.submit(connects, name, METADATA, 80) for name in held]
        apt = pool.submit(updates)
        after_updates = pool.submit(restarts)
        asks = pool.submit(resolvers, params["resolvers"])
        answers, rights = list(sshd), list(sudo)
    plain = answers[0]["options"] if answers else {}
    files = ours.result()
    named = ["ssh.service", "ssh.socket", "sshd.service", "nftables.service", "network-pre.target"]
    # systemctl tells nothing of what comes after the name of a template.
    state = units([*named, *TIME_SERVICES, "apt-daily-upgrade.timer", *(name for name in files if "@." not in name)])
    login_defs = read("/etc/login.defs")
    return {
        "today": int(time.time() // 86400),
        "hostname": os.uname().nodename,
        "clock": time.time(),
        "monotonic": time.monotonic(),
        "release": dict(
            line.replace('"', "").split("=", 1) for line in lines_of(read("/etc/os-release")) if "=" in line
        ),
        "uid_min": login_number(login_defs, "UID_MIN", 1000),
        "uid_max": login_number(login_defs, "UID_MAX", 60000),
        "accounts": accounts,
        "groups": groups,
        "shells": read("/etc/shells").split(),
        "sshd": answers,
        "sshd_left_out": left_out,
        "sshd_lines": [list(one) for one in lines if one[2].lower().startswith(("match", "include"))],
        "authorized_keys": authorized_keys(accounts, answers),
        "host_keys": host_keys(plain),
        "authorized_keys_d": stat("/etc/ssh/authorized_keys.d"),
        "smallest_modulus": smallest_modulus(plain),
        "sudo": rights,
        "sudoers": cvt.result(),
        "visudo": list(visudo.result()),
        "nft": nft.result(),
        "listeners": listening.result(),
        "egress": {
            name: {"sshd on the host itself": one.result(), f"metadata at {METADATA}": two.result()}
            for name, one, two in zip(held, inward, metadata, strict=True)
        },
        "units": state,
        "unit_files": files,
        "updates": apt.result(),
        "restarts": after_updates.result(),
        "backup": backup(),
        "health": written("/var/lib/holdfast/health/health.json"),
        "guard_armed": os.path.exists("/var/lib/holdfast/guard/armed.json"),
        "guard_timers": run(["systemctl", "list-units", "--no-legend", "--plain", "holdfast-guard-*.timer"])[1].split(),
        "group_administrators": {
            fields[0]: fields[2].split(",")
            for fields in (line.split(":") for line in lines_of(read("/etc/gshadow")))
            if len(fields) > 2 and fields[2]
        },
        "group_passwords": [
            line.split(":")[0]
            for line in lines_of(read("/etc/gshadow"))
            if password_kind(([*line.split(":"), "*"])[1]) == "usable"
        ],
        "ground": stands_on.result(),
        "resolvers": asks.result(),
        "addresses": json_of(["ip", "-j", "address"]) or [],
        "source": source,
        "took": time.time() - started,
    }
