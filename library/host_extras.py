#!/usr/bin/python
"""See what a host has beyond what is allowed: packages, units, set-uid programs, packages on hold. Changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_extras
short_description: See which packages, units and set-uid programs of a host are beyond what is allowed; changes nothing
description:
  - Judges as C(make verify) does, so that what an inventory is drafted with is what that would tell of.
  - Part of M(host_survey), on whose answer it depends what is allowed, and which judges this one, too.
author: [holdfast]
options:
  packages:
    description: Names of packages that may be installed, with what they need. C(*) stands for any characters.
    type: list
    elements: str
    required: true
  units:
    description: Names of units that may be enabled.
    type: list
    elements: str
    required: true
  setuid:
    description: Paths of programs that may change their user or group.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: See what is there beyond a plain Debian
  host_extras:
    packages: [linux-image-*, openssh-server]
    units: [ssh.service]
    setuid: [/usr/bin/sudo]
"""

RETURN = r"""
packages:
  description: What somebody asked for (apt-mark showmanual) and nothing allowed needs.
  type: list
  elements: str
  returned: success
units: {description: Enabled units., type: list, elements: str, returned: success}
setuid:
  description: >-
    Programs that change their user or group, as C(path) and C(package). That is empty where no package has the program,
    or only one that is allowed, which brings none beside those in O(setuid).
  type: list
  elements: dict
  returned: success
searched: {description: Whether the disks could be searched for them in time., type: bool, returned: success}
held: {description: Packages that apt holds back (apt-mark showhold)., type: list, elements: str, returned: success}
"""

import glob
import os
import re
import subprocess
from fnmatch import fnmatchcase

from ansible.module_utils.basic import AnsibleModule

FIELDS = ("Package", "db:Status-Abbrev", "Priority", "Essential", "Pre-Depends", "Depends", "Recommends", "Provides")
DISKS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay")
# Where container engines keep the file systems of their images, whose programs are not the host's.
IMAGES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")
STATES = "enabled,enabled-runtime,linked,linked-runtime"
# As verify finds enabled instances of templates (verify/remote/ground.py).
LINKS = tuple(f"/{top}/systemd/system/*.{kind}/*@?*.*" for top in ("etc", "run") for kind in ("wants", "requires"))
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
PATIENCE, SEARCH = 60, 90  # seconds
PLAIN = {**os.environ, "LC_ALL": "C"}


class NoAnswerError(Exception):
    """A command gives no answer, and without it the host would look as if nothing were there."""


def output(*argv: str, seconds: int = PATIENCE, codes: tuple[int, ...] = (0,)) -> str:
    """Return what a command prints.

    :param codes: with which it may end.
    :raises NoAnswerError: it ended otherwise, or did not in time.
    """
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=seconds, env=PLAIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(f"{argv[0]} gave no answer on this host: {error}") from error
    if done.returncode not in codes:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"])[-1]
        raise NoAnswerError(f"{argv[0]} fails on this host with code {done.returncode} ({said})")
    return done.stdout.decode(errors="replace")


def matches(name: str, patterns: list[str]) -> bool:
    """Tell whether a name is allowed by one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def names(relation: str) -> set[str]:
    """Return the names in a list of dependencies, alternatives included, without versions and architectures."""
    parts = re.split(r"[,|]", relation)
    return {re.split(r"[\s:(\[]", part.strip(), maxsplit=1)[0] for part in parts if part.strip()}


def installed(shown: str) -> dict[str, dict[str, str]]:
    """Return each installed package of ``dpkg-query`` with its fields."""
    found = {}
    for line in shown.split("\n"):
        words = line.split("\t")
        if len(words) == len(FIELDS) and words[1][1:2] == "i":
            found[words[0]] = dict(zip(FIELDS, words, strict=True))
    return found


def wanted(packages: dict[str, dict[str, str]], patterns: list[str]) -> tuple[set[str], set[str]]:
    """Return the packages that are allowed, or Debian's own core; and those with what they need or recommend."""
    providers: dict[str, set[str]] = {}
    for name, entry in packages.items():
        for one in {name, *names(entry["Provides"])}:
            providers.setdefault(one, set()).add(name)
    allowed = {
        name
        for name, entry in packages.items()
        if entry["Priority"] in ("required", "important") or entry["Essential"] == "yes" or matches(name, patterns)
    }
    seen: set[str] = set()
    left = [*allowed]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            needed = names(", ".join(packages[name][field] for field in ("Pre-Depends", "Depends", "Recommends")))
            left += [one for need in needed for one in providers.get(need, ())]
    return allowed, seen


def places(mountinfo: str) -> list[str]:
    """Return where the local disks are mounted that let programs change their user."""
    found = []
    for line in mountinfo.split("\n"):
        before, _dash, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) > 5 and after.split(" ")[0] in DISKS and "nosuid" not in words[5].split(","):
            found.append(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
    return [place for place in found if not place.startswith(IMAGES)]


def setuid_files(mountinfo: str) -> tuple[list[str], bool]:
    """Return the programs that change their user or group, and whether the search came to its end."""
    roots = places(mountinfo)
    if not roots:  # find would look where it is started
        return [], True
    skipped = [word for path in IMAGES for word in ("-path", path, "-prune", "-o")]
    asked = [*skipped, "-type", "f", "-perm", "/6000", "-print0"]
    try:
        # A file that goes meanwhile makes it end with 1.
        shown = output("find", *roots, "-xdev", *asked, seconds=SEARCH, codes=(0, 1))
    except NoAnswerError:
        return [], False
    return sorted(set(filter(None, shown.split("\0")))), True


def package_of(path: str) -> str:
    """Return the package that has a file, by its name or the one from before /usr was merged; empty where none has."""
    for name in (path, path.removeprefix("/usr")):
        found = re.match(r"([a-z0-9][a-z0-9+.-]*)(:[a-z0-9]+)?: ", output("dpkg-query", "-S", name, codes=(0, 1)))
        if found:
            return found[1]
    return ""


def template(unit: str) -> str:
    """Return the template of an instance, of another unit its own name."""
    return re.sub(r"@.*\.", "@.", unit)


def enabled_units() -> set[str]:
    """Return what starts by itself, instances of templates included: systemd may tell their template as "indirect"."""
    shown = output("systemctl", "list-unit-files", "--no-legend", "--plain", f"--state={STATES}")
    listed = {line.split()[0] for line in shown.split("\n") if line.strip()}
    instances = {os.path.basename(path) for place in LINKS for path in glob.glob(place)}
    # A package that has gone leaves links behind, and systemd starts nothing of another name.
    return listed | {
        one
        for one in instances
        if template(one) not in listed
        and re.fullmatch(r"[A-Za-z0-9:_.@\\-]+", one)
        and any(os.path.exists(f"{place}/{template(one)}") for place in UNIT_FOLDERS)
    }


def extras(packages: list[str], units: list[str], setuid: list[str]) -> dict[str, object]:
    """Return all that is beyond what is allowed."""
    there = installed(output("dpkg-query", "-W", "-f", "\\t".join(f"${{{one}}}" for one in FIELDS) + "\\n"))
    allowed, seen = wanted(there, packages)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as mounts:
        programs, searched = setuid_files(mounts.read())
    # An allowed package brings no further one, so a bit on a file of it was set by somebody: no package stands for it.
    owners = [(path, package_of(path)) for path in programs if not matches(path, setuid)]
    manual = output("apt-mark", "showmanual").split()
    return {
        "packages": sorted(name for name in manual if name.partition(":")[0] not in seen),
        "units": sorted(
            unit for unit in enabled_units() if not (matches(unit, units) or matches(template(unit), units))
        ),
        "setuid": [{"path": path, "package": "" if owner in allowed else owner} for path, owner in owners],
        "searched": searched,
        "held": sorted(output("apt-mark", "showhold").split()),
    }


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(
        {name: {"type": "list", "elements": "str", "required": True} for name in ("packages", "units", "setuid")},
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **extras(**module.params))
    except NoAnswerError as error:
        module.fail_json(msg=f"nothing was drafted: {error}. Mend that there, and run again")


if __name__ == "__main__":
    main()
