"""The kernel tells nobody about itself, believes no stranger's route, loads no odd code, and notes who changes what."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from verify.outcome import empty, not_applicable
from verify.packages import lines

if TYPE_CHECKING:
    from verify.target import Target

UNUSED: Final = ("dccp", "sctp", "rds", "tipc", "cramfs", "freevxfs", "jffs2", "hfs", "hfsplus", "udf", "firewire_core")
AUDITED: Final = ("logins", "sudo", "identity", "time", "modules", "holdfast")


def test_settings_now(target: Target) -> None:
    """Each setting has its value now."""
    ground = target.inside()["ground"]
    if ground["kernel_read_only"]:
        not_applicable("this host is a container: its kernel is another's, and /proc/sys is read-only")
    problems = []
    for key, wanted in target.expected.kernel.items():
        problems += [
            f"{path.replace('/', '.')} is {value}, not {wanted}"
            for path, value in ground["kernel"][key].items()
            if value != wanted
        ]
    empty(problems, "the kernel is set otherwise (the next run sets them; so does `systemctl restart systemd-sysctl`)")


def test_settings_at_boot(target: Target) -> None:
    """Each setting gets its value at the next start, whatever other files say."""
    settings = lines(target.inside()["ground"]["kernel_configured"])
    problems = []
    for key, wanted in target.expected.kernel.items():
        said = [value for name, value in settings if name == key]
        # A pattern loses against any line that names a card, wherever it stands.
        named = [(name, value) for name, value in settings if name != key and "*" in key and fnmatchcase(name, key)]
        if not said or said[-1] != wanted:
            problems.append(f"{key} will be {said[-1] if said else 'what the kernel likes'}, not {wanted}")
        problems += [f"{name} will be {value}, not {wanted}" for name, value in named if value != wanted]
    empty(problems, "files in sysctl.d set the kernel otherwise")


def test_unused_modules(target: Target) -> None:
    """Protocols and file systems that a server does not use are neither loaded nor loadable."""
    ground = target.inside()["ground"]
    refused = set(re.findall(r"(?m)^\s*install\s+(\S+)\s+/(?:usr/)?bin/false\s*$", ground["modprobe"]))
    problems = [f"{name} may be loaded" for name in UNUSED if name not in refused]
    if not ground["container"]:  # its list of modules is that of the machine under it
        problems += [f"{name} is loaded; it goes with the next start" for name in UNUSED if name in ground["modules"]]
    empty(problems, "modules that nobody uses")


def test_apparmor(target: Target) -> None:
    """AppArmor holds programs to their profiles, now and after the next start."""
    ground = target.inside()["ground"]
    if ground["container"]:
        not_applicable("this host is a container: AppArmor is its kernel's, which is another's")
    enabled, profiles, unit = ground["apparmor"]
    assert enabled == "Y", "the kernel runs without AppArmor: take apparmor=0 or security= off its command line; reboot"
    assert profiles, "no profile is loaded: run `systemctl reload-or-restart apparmor.service`"
    assert unit == "enabled", f"apparmor.service is {unit or 'missing'}: the next run mends that"


def test_audit(target: Target) -> None:
    """The kernel notes who logs in, who changes accounts and rights, and who touches what keeps the host as it is."""
    ground = target.inside()["ground"]
    if ground["container"]:
        not_applicable("this host is a container: the audit log is its kernel's, which is another's")
    state, rules = ground["audit"]
    assert re.search(r"(?m)^enabled [12]", state), "the kernel does not audit: run `auditctl -e 1`"
    missing = [key for key in AUDITED if not re.search(rf"(-k |key=){key}\b", rules)]
    empty([f"nothing is noted under {key}: run `augenrules --load`" for key in missing], "audit rules are not in force")
