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

import os
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.left_over.enabled_units import STATES, enabled_instances
from ansible.module_utils.left_over.names import allows, matches, template
from ansible.module_utils.left_over.setuid_files import NotListedError, is_roots, setuid_files

FIELDS = ("Package", "db:Status-Abbrev", "Priority", "Essential", "Pre-Depends", "Depends", "Recommends", "Provides")
PATIENCE = 60  # seconds
PLAIN = {**os.environ, "LC_ALL": "C"}


class NoAnswerError(Exception):
    """A command gives no answer, and without it the host would look as if nothing were there."""


def output(*argv: str, codes: tuple[int, ...] = (0,)) -> str:
    """Return what a command prints.

    :param codes: with which it may end.
    :raises NoAnswerError: it ended otherwise, or did not in time.
    """
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=PATIENCE, env=PLAIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(f"{argv[0]} gave no answer on this host: {error}") from error
    if done.returncode not in codes:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"])[-1]
        raise NoAnswerError(f"{argv[0]} fails on this host with code {done.returncode} ({said})")
    return done.stdout.decode(errors="replace")


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


def package_of(path: str) -> str:
    """Return the package that has a file, by its name or the one from before /usr was merged; empty where none has."""
    for name in (path, path.removeprefix("/usr")) if is_roots(path) else ():
        found = re.match(r"([a-z0-9][a-z0-9+.-]*)(:[a-z0-9]+)?: ", output("dpkg-query", "-S", name, codes=(0, 1)))
        if found:
            return found[1]
    return ""


def enabled_units() -> set[str]:
    """Return what starts by itself, instances of templates included: systemd may tell their template as "indirect"."""
    shown = output("systemctl", "list-unit-files", "--no-legend", "--plain", f"--state={STATES}")
    listed = {line.split()[0] for line in shown.split("\n") if line.strip()}
    return listed | {one for one in enabled_instances() if template(one) not in listed}


def beyond(mountinfo: str, allowed: list[str]) -> tuple[list[str], bool]:
    """Return programs that change their user or group and of which no name is allowed; and whether all were seen."""
    try:
        found = setuid_files(mountinfo)
    except NotListedError:
        return [], False
    unnamed = [names[0] for names in found if not any(matches(name, allowed) for name in names)]
    return [os.fsencode(path).decode(errors="replace") for path in unnamed], True


def extras(packages: list[str], units: list[str], setuid: list[str]) -> dict[str, object]:
    """Return all that is beyond what is allowed."""
    there = installed(output("dpkg-query", "-W", "-f", "\\t".join(f"${{{one}}}" for one in FIELDS) + "\\n"))
    allowed, seen = wanted(there, packages)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as mounts:
        programs, searched = beyond(mounts.read(), setuid)
    # An allowed package brings no further one, so a bit on a file of it was set by somebody: no package stands for it.
    owners = [(path, package_of(path)) for path in programs]
    manual = output("apt-mark", "showmanual").split()
    return {
        "packages": sorted(name for name in manual if name.partition(":")[0] not in seen),
        "units": sorted(unit for unit in enabled_units() if not allows(units, unit)),
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
